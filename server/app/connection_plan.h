// The max connections of each listener, from the flags and the descriptors that the process may have.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>

#include "server/app/flags.h"
#include "server/rpc/transport/open_connections.h"

namespace torchferry::app {

struct ConnectionPlan {
  rpc::ConnectionLimits grpc;
  rpc::ConnectionLimits admin;  // of the admin listener, where it has its own address
  size_t http = 0;
};

// `descriptors`: the number that this process may have open. The plan leaves an eighth of them, max 256, to files.
// INVALID_ARGUMENT when the flags ask for more connections than there are descriptors for.
absl::StatusOr<ConnectionPlan> PlanConnections(const ServerFlags& flags, uint64_t descriptors);

}  // namespace torchferry::app
