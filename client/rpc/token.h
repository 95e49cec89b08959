// The token by which a client identifies itself.
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace torchferry::client {

// `token`, or else the content of `file` without surrounding white space, or else nothing. INVALID_ARGUMENT for a text
// that is not a token, which is not shown, and for a file that cannot be read.
absl::StatusOr<std::string> ReadToken(const std::string& token, const std::string& file);

// Whether `address` is on this host: nobody between can read the data then.
bool IsThisHost(const std::string& address);

// INVALID_ARGUMENT where a token would be sent to another host unencrypted, unless `is_allowed`.
absl::Status CheckTokenWay(const std::string& address, bool is_encrypted, bool is_allowed);

}  // namespace torchferry::client
