// The limits on the memory of calls: their plan, and what the calls share.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>

#include "server/base/clock.h"
#include "server/rpc/transport/client_sockets.h"
#include "server/rpc/transport/delivered_bytes.h"
#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// In bytes.
struct MemoryPlan {
  int64_t budget = 0;      // requests and answers, from parsing to the answer's end
  int64_t connection = 0;  // large requests and answers of one connection
  int64_t unparsed = 0;    // received bytes of requests that are not whole, or wait for their turn
  // The part of `unparsed` that requests may fill before they are whole. Above it the acceptor ends the connections
  // with the most bytes. gRPC's quota is all of `unparsed`: it ends idle connections.
  int64_t unfinished = 0;
};

// `budget`: the configured budget; 0: a quarter of `memory`. `memory`: the bytes that this process may use; 0: unknown.
// The budget is raised where needed, so that a message of `max_message` always fits.
MemoryPlan PlanMemory(int64_t budget, int64_t memory, int64_t max_message);

// One object for all calls of a server; it outlives them. Thread-safe.
class CallMemory {
 public:
  struct Options {
    MemoryPlan plan;
    int64_t max_message_bytes = 0;
    int max_streams = 1024;  // of a connection, at the same time
    base::Duration send_timeout{0};
  };

  explicit CallMemory(const Options& options);

  // Tells gRPC its limits: how much it may receive, and on how many streams.
  void BoundListener(grpc::ServerBuilder& builder) const;

  MemoryBudget& budget() { return budget_; }
  DeliveredBytes& delivered() { return delivered_; }
  ClientSockets& sockets() { return sockets_; }
  int64_t max_unfinished_bytes() const { return options_.plan.unfinished; }
  int64_t max_message_bytes() const { return options_.max_message_bytes; }
  // Max time for the client to read an answer of `bytes` bytes: `send_timeout`, and a second for each MiB.
  base::Duration TimeToSend(int64_t bytes) const;

 private:
  const Options options_;
  grpc::ResourceQuota unparsed_;
  MemoryBudget budget_;
  DeliveredBytes delivered_;
  ClientSockets sockets_;
};

}  // namespace torchferry::rpc
