// Text of others, made safe for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace torchferry::base {

// `text` with its control characters, and its bytes that are not UTF-8, escaped as in \x1b. A line break becomes
// \n, or is kept.
std::string Printable(std::string_view text, bool keep_line_breaks = false);

}  // namespace torchferry::base
