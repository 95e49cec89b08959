#include "client/text/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace torchferry::client {
namespace {

constexpr std::string_view kReset = "\x1b[0m";

std::string_view EscapeOf(Style style) {
  switch (style) {
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kHeading:
      return "\x1b[1m";
    case Style::kPlain:
      break;
  }
  return "";
}

// Columns of UTF-8 text: its code points.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Paint(const Cell& cell, bool color) {
  const std::string_view escape = color ? EscapeOf(cell.style) : std::string_view();
  if (escape.empty()) return cell.text;
  return fmt::format("{}{}{}", escape, cell.text, kReset);
}

// What stands before the first word, an excerpt's indentation say, stands before each of its lines.
std::string WrapLine(std::string_view line, size_t width, size_t indent) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos) return "\n";
  line.remove_prefix(start);
  const std::string margin(indent + start, ' ');
  std::string result;
  std::string current;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    if (!current.empty() && margin.size() + Width(current) + 1 + Width(word) > width) {
      result += margin + current + '\n';
      current.clear();
    } else if (!current.empty()) {
      current += ' ';
    }
    current += word;
    line.remove_prefix(std::min(line.size(), word.size() + 1));
  }
  return result + margin + current + '\n';
}

}  // namespace

Table::Table(std::vector<std::string> headings) {
  if (headings.empty()) return;
  rows_.emplace_back();
  for (std::string& heading : headings) rows_[0].emplace_back(std::move(heading), Style::kHeading);
}

void Table::AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

std::string Table::Render(bool color) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i].text));
  }
  std::string result;
  for (const auto& row : rows_) {
    size_t padding = 0;  // written before the next cell that has text: no spaces end a line
    for (size_t i = 0; i < row.size(); ++i) {
      if (!row[i].text.empty()) {
        result.append(padding, ' ');
        result += Paint(row[i], color);
        padding = 0;
      }
      padding += widths[i] - Width(row[i].text) + 2;
    }
    result += '\n';
  }
  return result;
}

std::string Wrap(std::string_view text, size_t width, size_t indent) {
  std::string result;
  while (true) {
    const size_t end = text.find('\n');
    result += WrapLine(text.substr(0, end), width, indent);
    if (end == std::string_view::npos) return result;
    text.remove_prefix(end + 1);
  }
}

std::string FormatSeconds(double seconds) {
  if (seconds < 1e-4) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string FormatBytes(int64_t bytes) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
  for (const auto& [unit, size] : kUnits) {
    if (static_cast<double>(bytes) >= size) {
      return fmt::format("{:.1f} {} ({} bytes)", static_cast<double>(bytes) / size, unit, bytes);
    }
  }
  return fmt::format("{} bytes", bytes);
}

}  // namespace torchferry::client
