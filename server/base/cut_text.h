// Text of unknown length in a bounded place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchferry::base {

// `text`, or its first `most` bytes and the number of the others: "abc… (5 bytes more)". No UTF-8 sequence is cut
// apart.
std::string CutText(std::string_view text, size_t most);

}  // namespace torchferry::base
