// The depth of a JSON text. It is checked before a parser makes values of it, which are copied and compared by
// recursion.
#pragma once

#include <cstddef>
#include <string_view>

namespace torchferry::base {

// Whether lists and objects in `text` nest at most `depth` deep. Any result is possible for text that is not JSON. One
// pass, without recursion.
bool IsJsonWithinDepth(std::string_view text, size_t depth);

}  // namespace torchferry::base
