#include "server/base/cut_text.h"

#include <fmt/format.h>

namespace torchferry::base {

std::string CutText(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  constexpr size_t kMaxContinuations = 3;  // of a UTF-8 sequence
  size_t end = most;
  while (end > 0 && most - end < kMaxContinuations && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return fmt::format("{}… ({} bytes more)", text.substr(0, end), text.size() - end);
}

}  // namespace torchferry::base
