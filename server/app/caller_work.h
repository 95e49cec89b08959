// Quick batches run on the thread that carries their calls: what rpc asks for between calls, given by the scheduler.
#pragma once

#include "server/batching/scheduler.h"
#include "server/rpc/transport/call_loop.h"

namespace torchferry::app {

// The scheduler outlives it.
class CallerWork final : public rpc::WorkBetweenCalls {
 public:
  explicit CallerWork(batching::Scheduler& scheduler) : scheduler_(scheduler) {}
  void Join() override { scheduler_.JoinAsCaller(); }
  bool HasWork() override { return scheduler_.HasCallerWork(); }
  void Work() override { scheduler_.RunAsCaller(); }
  bool IsAlone() override { return scheduler_.IsIdle(); }
  void HandOver() override { scheduler_.HandOverToWorkers(); }

 private:
  batching::Scheduler& scheduler_;
};

}  // namespace torchferry::app
