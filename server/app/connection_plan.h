// How many connections each listener may have, from the flags and the descriptors that the process may have.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>

#include "server/app/flags.h"
#include "server/rpc/transport/open_connections.h"

namespace torchferry::app {

struct ConnectionPlan {
  rpc::ConnectionLimits grpc;
  rpc::ConnectionLimits admin;  // of an address of its own
  size_t http = 0;
};

// `descriptors`: how many this process may have open. What the plan does not give away is left to files: an eighth, up
// to 256. INVALID_ARGUMENT when the flags ask for more connections than there are descriptors for.
absl::StatusOr<ConnectionPlan> PlanConnections(const ServerFlags& flags, uint64_t descriptors);

}  // namespace torchferry::app
