// Texts from a file as messages show them: quoted, escaped and cut, so that a hostile name cannot
// forge a log line.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace torchferry::checkpoint {

// `"conv1.weight"`.
std::string Quoted(std::string_view text);

// `os.system`: plain where both are identifiers with dots, else quoted.
std::string DottedName(std::string_view module, std::string_view name);

// "a, b, c and 7 more" with at most `most` of them shown.
std::string Listed(std::span<const std::string> items, size_t most = 12);

// Whether `text` is UTF-8 and free of control characters: fit to be a tensor's name.
bool IsCleanUtf8(std::string_view text);

}  // namespace torchferry::checkpoint
