// Gives back memory that the C library keeps of requests and answers that are gone.
#pragma once

#include <optional>

#include "server/base/clock.h"
#include "server/base/heap.h"
#include "server/base/loop_thread.h"
#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// Checks each second whether the budget was well in use since the last check, and trims the heaps if so. Without it
// each thread's heap would keep the max that it ever held. Together the heaps would hold a multiple of the budget.
//
// malloc_trim leaves a heap's free end alone. For a moment, the heaps therefore give back their ends when they free.
class MemoryTrim {
 public:
  // `budget` outlives it.
  explicit MemoryTrim(MemoryBudget& budget);

  // Whether a trim pays after a peak of `peak` bytes of `limit`.
  static bool IsWorthIt(int64_t peak, int64_t limit) { return peak > limit / 4; }

 private:
  base::TimePoint Look();

  MemoryBudget& budget_;
  std::optional<base::HeapEndsTrimmed> ends_;  // for that moment
  base::LoopThread thread_;
};

}  // namespace torchferry::rpc
