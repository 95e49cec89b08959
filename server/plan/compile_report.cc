#include "server/plan/compile_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace torchferry::plan {
namespace {

constexpr size_t kMaxMessageBytes = 1000;

struct Place {
  size_t begin = 0;  // in the report
  size_t line = 0;
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// `File "F", line N`. Each byte is looked at once or twice: a name holds no quote, so the search goes on behind it.
std::optional<Place> FindPlace(std::string_view report) {
  constexpr std::string_view kFile = "File \"";
  constexpr std::string_view kLine = "\", line ";
  for (size_t at = report.find(kFile); at != std::string_view::npos;) {
    const size_t name_end = report.find_first_of("\"\n", at + kFile.size());
    if (name_end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = report.substr(name_end);
    if (rest.starts_with(kLine)) {
      Place place{at, 0};
      const char* const digits = rest.data() + kLine.size();
      if (std::from_chars(digits, rest.data() + rest.size(), place.line).ec == std::errc()) return place;
    }
    at = report.find(kFile, name_end);
  }
  return std::nullopt;
}

// Of the mark below a line.
size_t ColumnOfMark(std::string_view report) {
  const size_t here = report.find("<--- HERE");
  if (here == std::string_view::npos) return 0;
  const size_t line = report.rfind('\n', here) + 1;  // 0 where there is none
  const size_t mark = report.substr(0, here).find('~', line);
  return mark == std::string_view::npos ? 0 : mark - line + 1;
}

// LibTorch adds an address to the name of a class.
std::string WithShortClassNames(std::string_view text) {
  constexpr std::string_view kPrefix = "__torch__.torchferry.";
  constexpr std::string_view kUnit = " (of Python compilation unit at: ";
  std::string result;
  while (true) {
    const size_t at = text.find(kPrefix);
    result += text.substr(0, at);
    if (at == std::string_view::npos) return result;
    text.remove_prefix(at + kPrefix.size());
    const auto name_end = std::ranges::find_if(text, [](char c) { return c == '\'' || IsSpace(c); });
    const auto name_size = static_cast<size_t>(name_end - text.begin());
    result += text.substr(0, name_size);
    text.remove_prefix(name_size);
    if (!text.starts_with(kUnit)) continue;
    const size_t unit_end = text.find_first_not_of("0123456789abcdefx", kUnit.size());
    if (unit_end != std::string_view::npos && text[unit_end] == ')') text.remove_prefix(unit_end + 1);
  }
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (IsSpace(text.back()) || text.back() == ':')) text.remove_suffix(1);
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return text;
}

// At most so many bytes, and no part of a character at the end.
std::string Cut(std::string text) {
  if (text.size() <= kMaxMessageBytes) return text;
  const size_t size = text.size();
  size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("{}… ({} bytes)", std::string_view(text).substr(0, end), size);
}

}  // namespace

std::string_view WithoutBacktrace(std::string_view report) {
  return report.substr(0, report.find("\nException raised from"));
}

CompileReport ReadCompileReport(std::string_view report) {
  report = WithoutBacktrace(report);
  CompileReport result;
  const std::optional<Place> place = FindPlace(report);
  if (place.has_value()) {
    result.line = place->line;
    result.column = ColumnOfMark(report.substr(place->begin));
    report = report.substr(0, place->begin);
  }
  result.message = Cut(WithShortClassNames(Trimmed(report)));
  return result;
}

}  // namespace torchferry::plan
