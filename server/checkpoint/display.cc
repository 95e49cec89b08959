#include "server/checkpoint/display.h"

#include <algorithm>
#include <functional>

#include "server/base/json.h"
#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/base/utf8.h"

namespace torchferry::checkpoint {
namespace {

constexpr size_t kMaxShownBytes = 160;

bool IsIdentifierChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '<' || c == '>';
}

}  // namespace

std::string Quoted(std::string_view text) {
  if (text.size() <= kMaxShownBytes) return base::JsonQuote(text);
  return fmt::format("{}… ({} bytes)", base::JsonQuote(base::CutUtf8(text, kMaxShownBytes)), text.size());
}

std::string DottedName(std::string_view module, std::string_view name) {
  std::string dotted = fmt::format("{}.{}", module, name);
  const bool plain = dotted.size() <= kMaxShownBytes && std::ranges::all_of(dotted, IsIdentifierChar);
  return plain ? dotted : Quoted(dotted);
}

std::string Listed(std::span<const std::string> items, size_t most) {
  return base::ListText(items, std::identity(), most);
}

bool IsCleanUtf8(std::string_view text) {
  const bool no_control = std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  return no_control && base::IsUtf8(text);
}

}  // namespace torchferry::checkpoint
