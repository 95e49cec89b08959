// Whole local files. Errors are INVALID_ARGUMENT or NOT_FOUND; those of ReadFile and WriteFile name the path.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <iosfwd>
#include <string>
#include <string_view>

namespace torchferry::client {

// Reads at most 2 GiB, as no message holds more.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::StatusOr<std::string> ReadStream(std::istream& stream);

absl::Status WriteFile(const std::string& path, std::string_view bytes);

}  // namespace torchferry::client
