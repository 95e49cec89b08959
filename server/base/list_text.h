// Several things in one message.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace torchferry::base {

inline std::string InQuotes(std::string_view text) { return fmt::format("\"{}\"", text); }

// "a, b, c and 7 more": each of the first `max` items as `to_text` gives it, then the number of the others. "" without
// items.
template <typename Range, typename ToText = std::identity>
std::string ListText(const Range& items, ToText to_text = {}, size_t max = std::numeric_limits<size_t>::max()) {
  std::string text;
  size_t count = 0;
  for (const auto& item : items) {
    if (count++ >= max) continue;
    if (count > 1) text += ", ";
    text += to_text(item);
  }
  if (count > max) text += fmt::format(" and {} more", count - max);
  return text;
}

}  // namespace torchferry::base
