// How deep a JSON text nests, told before a parser makes values of it, which others copy and compare by recursion.
#pragma once

#include <cstddef>
#include <string_view>

namespace torchferry::base {

// Whether lists and objects in `text` nest at most `depth` deep; of a text that is no JSON, some answer. One pass,
// without recursion.
bool IsJsonWithinDepth(std::string_view text, size_t depth);

}  // namespace torchferry::base
