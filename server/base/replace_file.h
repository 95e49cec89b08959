// A small file, written so that no reader sees half of it and no link is written through.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace torchferry::base {

// Writes `text` into PATH.PID, a new file, and renames that to `path`. A link at either name is replaced, and its
// target stays as it is. UNAVAILABLE "the folder cannot be written: why" or "what is there cannot be replaced: why".
absl::Status ReplaceFile(const std::string& path, std::string_view text);

}  // namespace torchferry::base
