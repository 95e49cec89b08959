#include "server/plan/file_name_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

struct Word {
  std::string_view word;
  std::string_view meaning;  // a device's type, or a dtype
};

constexpr Word kDeviceWords[] = {{"gpu", "cuda"}, {"cuda", "cuda"}, {"cpu", "cpu"}};
constexpr Word kDTypeWords[] = {{"fp16", "FP16"},     {"half", "FP16"}, {"float16", "FP16"}, {"bf16", "BF16"},
                                {"bfloat16", "BF16"}, {"fp32", "FP32"}, {"float32", "FP32"}};

// The words of the last part of `path`, in lower case: "resnet18_GPU.pth" has resnet18, gpu and pth.
std::vector<std::string> WordsOf(std::string_view path) {
  std::vector<std::string> words(1);
  for (const char c : path.substr(path.rfind('/') + 1)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      words.back().push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    } else {
      words.emplace_back();
    }
  }
  return words;
}

template <size_t kCount>
std::string_view MeaningIn(const std::vector<std::string>& words, const Word (&known)[kCount]) {
  for (const Word& word : known) {
    if (std::ranges::find(words, word.word) != words.end()) return word.meaning;
  }
  return "";
}

bool HasPrefix(std::span<const std::string> list, std::string_view prefix) {
  return std::ranges::any_of(list, [&](const std::string& entry) { return entry.starts_with(prefix); });
}

// Takes `before` and the digits behind it from the end of `text`.
bool TakeNumber(std::string_view& text, std::string_view before, int64_t& number) {
  constexpr size_t kMaxDigits = 9;
  const size_t at = text.rfind(before);
  if (at == std::string_view::npos) return false;
  const std::string_view digits = text.substr(at + before.size());
  const bool is_number = !digits.empty() && digits.size() <= kMaxDigits &&
                         std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!is_number) return false;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  text = text.substr(0, at);
  return true;
}

}  // namespace

std::optional<PartName> ParsePartName(std::string_view name) {
  const size_t dot = name.rfind('.');
  const bool has_suffix = dot != std::string_view::npos && dot + 1 < name.size();
  PartName part;
  part.suffix = has_suffix ? name.substr(dot) : "";
  std::string_view rest = name.substr(0, name.size() - part.suffix.size());
  if (!TakeNumber(rest, "-of-", part.count) || !TakeNumber(rest, "-", part.part)) return std::nullopt;
  part.stem = rest;
  return part;
}

std::vector<std::string> CompleteSet(std::span<const std::string> names) {
  std::map<int64_t, std::string> parts;
  std::optional<PartName> first;
  for (const std::string& name : names) {
    std::optional<PartName> part = ParsePartName(name);
    if (!part.has_value()) continue;
    if (!first.has_value()) first = part;
    const bool is_alike = part->stem == first->stem && part->suffix == first->suffix && part->count == first->count;
    if (!is_alike || part->part < 1 || part->part > part->count || !parts.emplace(part->part, name).second) return {};
  }
  if (!first.has_value() || parts.size() != static_cast<size_t>(first->count)) return {};
  std::vector<std::string> set;
  for (auto& [part, name] : parts) set.push_back(std::move(name));
  return set;
}

std::string PartHint(std::string_view path) {
  const std::optional<PartName> name = ParsePartName(path.substr(path.rfind('/') + 1));
  if (!name.has_value()) return "";
  return fmt::format(
      "; the file's name says that it is part {} of {}. Put all parts, with their .index.json if they have one, into "
      "the version's folder: they are served as one model",
      name->part, name->count);
}

std::vector<std::string> FileNameHints(std::string_view path, std::span<const std::string> saved_devices,
                                       std::span<const std::string> saved_dtypes) {
  const std::vector<std::string> words = WordsOf(path);
  std::vector<std::string> hints;
  const auto check = [&](std::string_view meaning, std::span<const std::string> saved) {
    if (meaning.empty() || saved.empty() || HasPrefix(saved, meaning)) return;
    hints.push_back(fmt::format("the file's name says {}, and it was saved with {}; names decide nothing", meaning,
                                checkpoint::Listed(saved)));
  };
  check(MeaningIn(words, kDeviceWords), saved_devices);
  check(MeaningIn(words, kDTypeWords), saved_dtypes);
  return hints;
}

}  // namespace torchferry::plan
