// Converts our statuses to gRPC's. The codes of both are the same numbers.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

namespace torchferry::rpc {

// The same code and message, which is UTF-8. A message that headers cannot hold (tensor/request_limits.h) is cut
// between characters, says where the rest is, and is logged whole at debug.
grpc::Status ToGrpc(const absl::Status& status);

// The message for a field of an answer: UTF-8, and max limits::kMaxErrorTextBytes and "…".
std::string MessageForField(const absl::Status& status);

}  // namespace torchferry::rpc
