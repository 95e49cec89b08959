// absl's status codes and gRPC's are the same numbers; this is the one place that relies on it.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

namespace torchferry::rpc {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace torchferry::rpc
