// Which thread a batch is for: a worker that has to be woken, one that is busy and soon done, the thread that submits,
// or the express worker. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"
#include "server/batching/queue_pace.h"

namespace torchferry::batching {

// A queue as these decisions see it.
struct QueueView {
  const QueuePace& pace;
  size_t waiting = 0;                                            // tasks
  int running = 0;                                               // batches
  std::optional<base::TimePoint> newest_start = std::nullopt;    // of those
  std::optional<base::TimePoint> oldest_start = std::nullopt;    // likewise
  std::optional<base::TimePoint> left_to_caller = std::nullopt;  // since when a task waits for one
  int64_t max_rows = 0;                                          // of a batch; 0: each task is one
  int threads = 1;                                               // of an operator
  bool waits_for_company = false;                                // see BatchOptions::max_queue_delay
  bool is_at_limit = false;                                      // as many batches run as may
  bool may_run_on_caller = false;                                // it is on the CPU
  bool was_long = false;  // a batch was so long that none runs on a caller any more
  bool holds_up = false;  // a batch of it is stuck, or held up
};

// While anything happens one idle worker looks this often for tasks that were left to somebody else.
inline constexpr base::Duration kWatch = std::chrono::milliseconds(10);

// A thread that submits is about to run what waits.
bool IsLeftToCaller(const QueueView& queue, base::TimePoint now);

// What waits is taken by those that run batches of this queue, before a worker could wake up. That is so on a CPU only,
// while their batches are quick and have begun just now, and their next batches can hold all that waits.
bool IsServedSoon(const QueueView& queue, base::TimePoint now);

// A worker should be woken for what waits.
bool WantsWorker(const QueueView& queue, base::TimePoint now);

// The next batch should run on the thread that submits it: it is quick there, or one request alone and nearly so, and
// no other thread has to wake up.
bool IsForCaller(const QueueView& queue);

// The next batch may run beside batches on all processors. The kernel shares one processor out between the two, so
// that a request of milliseconds does not wait for one of a second. While a batch of the queue takes far longer than
// its batches did, the queue is not short, whatever it was before.
bool IsForExpress(const QueueView& queue, base::TimePoint now);

}  // namespace torchferry::batching
