#include "server/plan/file_name_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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

}  // namespace

std::string PartHint(std::string_view path) {
  const std::vector<std::string> words = WordsOf(path);
  const auto is_number = [](const std::string& word) {
    return !word.empty() && word.size() <= 9 &&
           std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  for (size_t i = 1; i + 1 < words.size(); ++i) {
    if (words[i] != "of" || !is_number(words[i - 1]) || !is_number(words[i + 1])) continue;
    return fmt::format(
        "; the file's name says that it is part {} of {}: load the parts in Python and save one file, "
        "torch.save(model.state_dict(), path)",
        std::stol(words[i - 1]), std::stol(words[i + 1]));
  }
  return "";
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
