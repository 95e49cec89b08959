// Our statuses as gRPC's. The codes of both are the same numbers.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

namespace torchferry::rpc {

// The same code and message. A message of more than 3000 bytes is cut, says where the rest is, and is logged whole at
// debug.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace torchferry::rpc
