// Any bytes as a list of trusted digests: what is taken has as many digests as lines could name, and trusts those that
// its lines begin with.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/checkpoint/trusted_digests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using torchferry::checkpoint::FromHex;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = torchferry::checkpoint::TrustedDigests::Parse(text, "list");
  if (!list.ok()) return 0;
  if (list->size() > text.size() / 67 + 1) std::abort();
  size_t begin = 0;
  while (begin < text.size()) {
    const auto digest = FromHex(text.substr(begin, 64));
    if (digest.has_value() && !list->Has(*digest)) std::abort();
    const size_t end = text.find('\n', begin);
    begin = end == std::string_view::npos ? text.size() : end + 1;
  }
  return 0;
}
