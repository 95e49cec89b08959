#include "server/plan/name_index.h"

#include <absl/strings/ascii.h>

namespace torchferry::plan {

std::optional<size_t> TrailingIndex(std::string_view name) {
  constexpr size_t kMaxDigits = 4;
  const size_t mark = name.rfind("__");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(mark + 2);
  if (digits.empty() || digits.size() > kMaxDigits) return std::nullopt;
  size_t index = 0;
  for (const char digit : digits) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(digit))) return std::nullopt;
    index = index * 10 + static_cast<size_t>(digit - '0');
  }
  return index;
}

}  // namespace torchferry::plan
