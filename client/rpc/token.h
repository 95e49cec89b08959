// The token by which a client says who it is.
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace torchferry::client {

// `token`, or else what the file `file` holds without the white space around it, or else nothing. INVALID_ARGUMENT for
// what is no token, which is not shown, and for a file that cannot be read.
absl::StatusOr<std::string> ReadToken(const std::string& token, const std::string& file);

// Whether `address` is of this host: what travels there is read by nobody between.
bool IsThisHost(const std::string& address);

// INVALID_ARGUMENT where a token would travel to another host for everybody between to read, and nobody has allowed it.
absl::Status CheckTokenWay(const std::string& address, bool is_encrypted, bool is_allowed);

}  // namespace torchferry::client
