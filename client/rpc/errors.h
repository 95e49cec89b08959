// Errors of calls: gRPC's status as a Status that is marked as the server's, with advice.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

namespace torchferry::client {

// Converts the status of a call to `address`. It is marked as the server's, and says what to do where that is known.
absl::Status FromServer(const grpc::Status& status, const std::string& address);

// Likewise, for an error that was found in a server's answer.
absl::Status FromServer(absl::Status status);

// Whether FromServer made it. Otherwise it is about the command line or a local file.
bool IsFromServer(const absl::Status& status);

}  // namespace torchferry::client
