// Names in a message: "a, b, c and 7 more".
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>

namespace torchferry::registry {

// The first ten items of `range`, each as `to_text` gives it, and how many more there are. "none" for an empty range.
template <typename Range, typename ToText>
std::string Listing(const Range& range, ToText to_text) {
  constexpr size_t kShown = 10;
  std::string text;
  size_t count = 0;
  for (const auto& item : range) {
    if (++count <= kShown) text += (text.empty() ? "" : ", ") + to_text(item);
  }
  if (count > kShown) text += fmt::format(" and {} more", count - kShown);
  return text.empty() ? "none" : text;
}

}  // namespace torchferry::registry
