// Gives memory back that the C library keeps of requests and answers which are gone.
#pragma once

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// Looks each second whether the budget was well in use since its last look, and trims the heap if so. Without it each
// thread's heap would keep the most that it ever held, and together they would hold a multiple of the budget.
class MemoryTrim {
 public:
  // `budget` outlives it.
  explicit MemoryTrim(MemoryBudget& budget);

  // Whether a heap that has held so much of `limit` is worth it.
  static bool IsWorthIt(int64_t peak, int64_t limit) { return peak > limit / 4; }

 private:
  base::TimePoint Look();

  MemoryBudget& budget_;
  base::LoopThread thread_;
};

}  // namespace torchferry::rpc
