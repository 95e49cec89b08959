// A small file, written so that nobody reads half of it and no link is written through.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace torchferry::base {

// Writes `text` into PATH.PID, a new file, which then takes the place of what is at `path`. A link at either is
// replaced; what it leads to stays as it is. UNAVAILABLE "the folder cannot be written: why" or "what is there cannot
// be replaced: why".
absl::Status ReplaceFile(const std::string& path, std::string_view text);

}  // namespace torchferry::base
