// JSON string escaping, for log lines and messages. (Documents are written by protobuf or nlohmann-json.)
#pragma once

#include <string>
#include <string_view>

namespace torchferry::base {

// `text` as a quoted JSON string. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace torchferry::base
