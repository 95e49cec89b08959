#include "server/app/connection_plan.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::app {
namespace {

constexpr size_t kMaxGrpc = 8192;  // by default: a connection takes up to some hundred KiB
constexpr size_t kMaxHttp = 256;
constexpr size_t kMaxAdmin = 64;
constexpr size_t kMaxFiles = 256;

}  // namespace

absl::StatusOr<ConnectionPlan> PlanConnections(const ServerFlags& flags, uint64_t descriptors) {
  const auto share = [descriptors](uint64_t of, size_t most) { return std::clamp<size_t>(descriptors / of, 4, most); };
  ConnectionPlan plan;
  plan.http = share(8, kMaxHttp);
  plan.admin.all = plan.admin.per_peer = share(16, kMaxAdmin);
  const size_t others = plan.http + plan.admin.all + share(8, kMaxFiles);
  const size_t left = descriptors > others ? descriptors - others : 1;
  const auto wanted = static_cast<size_t>(flags.max_connections);
  if (wanted > left) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "--max-connections {} needs {} open files, and this process may have {}: raise that limit "
                            "(ulimit -n) or choose at most {}",
                            wanted, wanted + others, descriptors, left);
  }
  plan.grpc.all = wanted > 0 ? wanted : std::min(left, kMaxGrpc);
  const auto of_peer = static_cast<size_t>(flags.max_connections_per_peer);
  plan.grpc.per_peer = of_peer > 0 ? std::min(of_peer, plan.grpc.all) : std::max<size_t>(plan.grpc.all * 9 / 10, 1);
  return plan;
}

}  // namespace torchferry::app
