// Decides when a small batch gets more threads than batches get under load, and how many. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "server/base/clock.h"
#include "server/batching/batch_queue.h"

namespace torchferry::batching {

// A batch that is about to run, and the load around it.
struct LoneFacts {
  int64_t rows = 1;
  base::Duration waited{0};  // wait of its oldest task
  bool others_wait = false;  // any other task waits, in any queue
  bool others_run = false;   // any other batch of a worker runs
  int threads = 1;           // threads that it gets under load
  int free_threads = 1;      // free threads of all workers
};

// The threads of a batch that runs at `point`; 0: it runs as under load. A batch is alone when it is small, has not
// waited for long, and no other task waits. It then gets the threads of `point`. While other batches run it gets max
// half of the free threads, so that the next request finds some.
//
// Because a batch that waited is not alone, the server changes to throughput under load. With two requests in flight at
// all times, each would wait for the other one's threads. Both would then take longer than side by side.
int LoneThreads(const LatencyPoint& point, const LoneFacts& facts);

// Decides whether several threads for a batch still pay. Another process may hold the processors that they need. A
// batch on several threads is then many times slower, and one on a single thread is not. After each batch that was too
// slow, batches run without them, about twice as many each time. Not thread-safe.
class ThreadTrial {
 public:
  // Whether the next batch may have several threads. To be called once for each batch.
  bool MayRun() {
    if (skips_ == 0) return true;
    --skips_;
    return false;
  }
  // A batch with several threads has run.
  void RecordRun(bool was_too_slow) {
    misses_ = was_too_slow ? std::min(2 * misses_ + 1, kMaxSkips) : 0;
    skips_ = misses_;
  }

 private:
  static constexpr int kMaxSkips = 255;

  int misses_ = 0;
  int skips_ = 0;
};

// Whether a batch at `point` took longer than one row takes with BatchOptions::threads.
inline bool IsTooSlow(const LatencyPoint& point, base::Duration took) {
  return point.expected_without > base::Duration::zero() && took > point.expected_without;
}

// Tells whether batches under load take much longer than the best batch of about as many rows. That best time fades.
// Not thread-safe.
class RowPace {
 public:
  // A batch of `rows` rows took `took`, by the clock. Returns whether that was too slow.
  bool RecordRun(base::Duration took, int64_t rows) {
    const base::Duration each = took / std::max<int64_t>(1, rows);
    base::Duration& best = best_[std::min<size_t>(std::bit_width(static_cast<uint64_t>(rows)), best_.size() - 1)];
    best = best == base::Duration::zero() ? each : std::min(each, best + best / kFades);
    return kOf * each > kSlow * best;
  }

 private:
  static constexpr int kFades = 64;
  // Where a batch takes 1.75 times as long as it could, its threads wait for one another.
  static constexpr int kSlow = 7;
  static constexpr int kOf = 4;

  std::array<base::Duration, 16> best_{};  // best time of a row, by the logarithm of the batch's rows
};

}  // namespace torchferry::batching
