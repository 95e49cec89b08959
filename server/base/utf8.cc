#include "server/base/utf8.h"

#include <fmt/format.h>

#include <cstdint>

namespace torchferry::base {

size_t Utf8Length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<uint8_t>(text[k]); };
  const uint8_t lead = byte(i);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xC2 && lead < 0xE0 ? 2
                        : lead >= 0xE0 && lead < 0xF0 ? 3
                        : lead >= 0xF0 && lead < 0xF5 ? 4
                                                      : 0;
  if (length == 0 || i + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  if (length == 3) {
    const uint32_t point = (lead & 0x0FU) << 12 | (byte(i + 1) & 0x3FU) << 6 | (byte(i + 2) & 0x3FU);
    if (point < 0x800 || (point >= 0xD800 && point < 0xE000)) return 0;
  }
  if (length == 4) {
    const uint32_t point = (lead & 0x07U) << 18 | (byte(i + 1) & 0x3FU) << 12;
    if (point < 0x10000 || point > 0x10FFFF) return 0;
  }
  return length;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = static_cast<uint8_t>(text[i]) < 0x80 ? 1 : Utf8Length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::string ToUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  std::string valid;
  valid.reserve(text.size() + 16);
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    if (length == 0) {
      valid += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[i++]));
    } else {
      valid += text.substr(i, length);
      i += length;
    }
  }
  return valid;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  // No character has more than three bytes after its first.
  while (end > 0 && max_bytes - end < 4 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  const bool is_cut = end + Utf8Length(text, end) > max_bytes;
  return text.substr(0, is_cut ? end : max_bytes);
}

std::string Excerpt(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return ToUtf8(text);
  return ToUtf8(CutUtf8(text, max_bytes)) + "…";
}

}  // namespace torchferry::base
