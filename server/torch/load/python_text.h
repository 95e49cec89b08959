// The files of server/torch/load/python, which are part of the program.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

namespace torchferry::libtorch {

struct PythonText {
  std::string_view file;
  std::string_view text;
};

// In the order of their names: *.py is for python_prelude.h, signatures_*.txt for python_signatures.h.
std::span<const PythonText> PythonTexts();

// The parts of `text` between separators, without empty ones.
inline std::vector<std::string_view> SplitText(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end != 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
}

}  // namespace torchferry::libtorch
