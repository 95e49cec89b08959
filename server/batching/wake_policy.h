// Decides which thread runs a batch. It may be a worker to be woken, a busy thread that is soon done, the thread that
// submits, or the express worker. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"
#include "server/batching/queue_pace.h"

namespace torchferry::batching {

// A queue as these decisions see it.
struct QueueView {
  const QueuePace& pace;
  size_t waiting = 0;                                            // waiting tasks
  int running = 0;                                               // running batches
  std::optional<base::TimePoint> newest_start = std::nullopt;    // of the running batches
  std::optional<base::TimePoint> oldest_start = std::nullopt;    // of the running batches
  std::optional<base::TimePoint> left_to_caller = std::nullopt;  // since when a task waits for a caller
  int64_t max_rows = 0;                                          // max rows of a batch; 0: each task is a batch
  int threads = 1;                                               // threads of one operator
  bool waits_for_company = false;                                // see BatchOptions::max_queue_delay
  bool is_at_limit = false;                                      // the max number of batches runs
  bool may_run_on_caller = false;                                // the model is on the CPU
  bool was_long = false;  // a batch was stuck or held up: none runs on a caller any more
  bool holds_up = false;  // a batch of it is stuck or held up
};

// How often one idle worker looks for tasks that were left to another thread, while anything happens.
inline constexpr base::Duration kWatch = std::chrono::milliseconds(10);

// Whether a thread that submits is about to run what waits.
bool IsLeftToCaller(const QueueView& queue, base::TimePoint now);

// Whether threads that run batches of this queue take what waits before a worker could wake up. That holds only for a
// model on the CPU. The batches must be quick and one must have begun just now. The next batches must have room for all
// that waits.
bool IsServedSoon(const QueueView& queue, base::TimePoint now);

// Whether a worker should be woken for what waits.
bool WantsWorker(const QueueView& queue, base::TimePoint now);

// Whether the next batch should run on the thread that submits it, so that no other thread has to wake up. Batches must
// be quick there; for a single request, nearly quick is enough.
bool IsForCaller(const QueueView& queue);

// Whether the next batch may run beside batches on all processors. The kernel then shares one processor between the
// two, so that a request of milliseconds does not wait for one of a second. While a running batch takes far longer than
// earlier ones, the queue does not count as short.
bool IsForExpress(const QueueView& queue, base::TimePoint now);

}  // namespace torchferry::batching
