// Names in a message: "a, b, c and 7 more".
#pragma once

#include <cstddef>
#include <string>

#include "server/base/list_text.h"

namespace torchferry::registry {

// The first ten items of `range`, each as `to_text` gives it, and the number of the others. "none" for an empty range.
template <typename Range, typename ToText>
std::string Listing(const Range& range, ToText to_text) {
  constexpr size_t kShown = 10;
  const std::string text = base::ListText(range, to_text, kShown);
  return text.empty() ? "none" : text;
}

}  // namespace torchferry::registry
