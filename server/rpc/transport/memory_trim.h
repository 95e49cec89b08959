// Gives back memory that the C library keeps of requests and answers that are gone.
#pragma once

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// Checks each second whether the budget was well in use since the last check, and trims the heap if so. Without it each
// thread's heap would keep the max that it ever held. Together the heaps would hold a multiple of the budget.
class MemoryTrim {
 public:
  // `budget` outlives it.
  explicit MemoryTrim(MemoryBudget& budget);

  // Whether a trim pays after a peak of `peak` bytes of `limit`.
  static bool IsWorthIt(int64_t peak, int64_t limit) { return peak > limit / 4; }

 private:
  base::TimePoint Look();

  MemoryBudget& budget_;
  base::LoopThread thread_;
};

}  // namespace torchferry::rpc
