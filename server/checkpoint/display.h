// Shows texts from a file in messages: quoted, escaped and cut. A hostile name cannot forge a log line.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace torchferry::checkpoint {

// Writes `"conv1.weight"`.
std::string Quoted(std::string_view text);

// Writes `os.system`: plain where both are identifiers with dots, else quoted.
std::string DottedName(std::string_view module, std::string_view name);

// Writes "a, b, c and 7 more". `most` is the max number of items shown.
std::string Listed(std::span<const std::string> items, size_t most = 12);

// Whether `text` is UTF-8 without control characters, and can be a tensor's name.
bool IsCleanUtf8(std::string_view text);

}  // namespace torchferry::checkpoint
