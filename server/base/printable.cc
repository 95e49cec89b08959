#include "server/base/printable.h"

#include <fmt/format.h>

#include "server/base/utf8.h"

namespace torchferry::base {

std::string Printable(std::string_view text, bool keep_line_breaks) {
  const std::string valid = ToUtf8(text);
  std::string result;
  for (size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    const auto byte = static_cast<unsigned char>(c);
    // U+0080 to U+009F, which some terminals obey as they do an escape sequence.
    const bool is_c1 = byte == 0xC2 && static_cast<unsigned char>(valid[i + 1]) < 0xA0;
    if (is_c1) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(valid[++i]));
    } else if ((byte < 0x20 || byte == 0x7f) && !(c == '\n' && keep_line_breaks)) {
      result += c == '\n' ? std::string("\\n") : fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace torchferry::base
