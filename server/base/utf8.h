// UTF-8, which protobuf's strings, JSON and Prometheus demand. Text that others wrote may not be: file names,
// exceptions, keys.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchferry::base {

// The number of bytes of the character that begins at `i`, which is less than the size; 0 if none begins there.
size_t Utf8Length(std::string_view text, size_t i);

bool IsUtf8(std::string_view text);

// `text` with each byte that belongs to no character escaped, as in "caf\xe9".
std::string ToUtf8(std::string_view text);

// The longest beginning of at most `max_bytes` that cuts no character apart.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

// `text`, or its beginning of at most `max_bytes` and "…". The result is UTF-8 in either case.
std::string Excerpt(std::string_view text, size_t max_bytes);

}  // namespace torchferry::base
