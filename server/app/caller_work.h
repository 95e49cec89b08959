// Runs quick batches on the thread that carries their calls: the scheduler does the work that rpc asks for between
// calls.
#pragma once

#include "server/batching/scheduler.h"
#include "server/rpc/transport/call_loop.h"

namespace torchferry::app {

// The scheduler outlives it.
class CallerWork final : public rpc::InlineWork {
 public:
  explicit CallerWork(batching::Scheduler& scheduler) : scheduler_(scheduler) {}
  void Attach() override { scheduler_.JoinAsCaller(); }
  bool HasWork() override { return scheduler_.HasCallerWork(); }
  size_t Requests() override { return scheduler_.CountCallerTasks(); }
  void Run() override { scheduler_.RunAsCaller(); }
  bool IsAlone() override { return scheduler_.IsIdle(); }
  void HandOver() override { scheduler_.HandOverToWorkers(); }

 private:
  batching::Scheduler& scheduler_;
};

}  // namespace torchferry::app
