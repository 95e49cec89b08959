// What bounds the memory of calls: the plan of it, and what the calls share.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>

#include "server/base/clock.h"
#include "server/rpc/transport/delivered_bytes.h"
#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// In bytes.
struct MemoryPlan {
  int64_t budget = 0;      // requests and answers, from parsing to the answer's end
  int64_t connection = 0;  // one connection's large ones of these
  int64_t unparsed = 0;    // what has been received of requests that are not whole, or wait for their turn
  // Of this, what the acceptor lets come before it ends the connections that sent most. gRPC's quota is the rest: it
  // ends whoever is idle.
  int64_t unfinished = 0;
};

// `budget`: what was asked for; 0: a quarter of `memory`, which is what this process may use (0: not known). A message
// of `max_message` always fits: the budget is raised to that where it must be.
MemoryPlan PlanMemory(int64_t budget, int64_t memory, int64_t max_message);

// One for all calls of a server; outlives them. Thread-safe.
class CallMemory {
 public:
  struct Options {
    MemoryPlan plan;
    int64_t max_message_bytes = 0;
    int max_streams = 1024;  // of a connection, at the same time
    base::Duration send_timeout{0};
  };

  explicit CallMemory(const Options& options);

  // Tells gRPC its part: how much it may receive, and of how many streams.
  void BoundListener(grpc::ServerBuilder& builder) const;

  MemoryBudget& budget() { return budget_; }
  DeliveredBytes& delivered() { return delivered_; }
  int64_t max_unfinished_bytes() const { return options_.plan.unfinished; }
  int64_t max_message_bytes() const { return options_.max_message_bytes; }
  // How long the client may take to read an answer of so many bytes: `send_timeout`, and a second for each MiB.
  base::Duration TimeToSend(int64_t bytes) const;

 private:
  const Options options_;
  grpc::ResourceQuota unparsed_;
  MemoryBudget budget_;
  DeliveredBytes delivered_;
};

}  // namespace torchferry::rpc
