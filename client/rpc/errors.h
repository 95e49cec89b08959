// Errors of calls: gRPC's status as a Status that is marked as the server's, worded with what to do.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

namespace torchferry::client {

// A status that came from a call to `address`: marked so, and worded with what to do where that is known.
absl::Status FromServer(const grpc::Status& status, const std::string& address);

// Likewise, of an error that a server's answer told of.
absl::Status FromServer(absl::Status status);

// Whether FromServer made it; otherwise it is about the command line or a local file.
bool IsFromServer(const absl::Status& status);

}  // namespace torchferry::client
