// When a small batch gets more threads than batches have under load, and how many. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "server/base/clock.h"
#include "server/batching/batch_queue.h"

namespace torchferry::batching {

// A batch that is about to run, and what else there is.
struct LoneFacts {
  int64_t rows = 1;
  base::Duration waited{0};  // its oldest task
  bool others_wait = false;  // any other task, in any queue
  bool others_run = false;   // any other batch
  int threads = 1;           // that it has under load
  int free_threads = 1;      // of all
};

// The threads of a batch that runs at `point`; 0: it runs as under load. A batch is alone when it is small, did not
// wait, and nothing else waits. It then gets what `point` asks for, but while others run at most half of what is free:
// the next request finds some, too.
//
// That it waited is what makes the server slide to throughput: with two requests in flight at all times each would
// wait for the other one's threads, and both would take longer than side by side.
int LoneThreads(const LatencyPoint& point, const LoneFacts& facts);

// Whether several threads for a batch still pay. A process outside may hold the processors that they need: a batch on
// several threads is then many times slower, and one on a single thread is not. Each batch that was too slow is
// followed by batches without them, about twice as many each time. Not thread-safe.
class ThreadTrial {
 public:
  // Whether the next batch may have them.
  bool MayRun() {
    if (skips_ == 0) return true;
    --skips_;
    return false;
  }
  // A batch had them.
  void Ran(bool was_too_slow) {
    misses_ = was_too_slow ? std::min(2 * misses_ + 1, kMaxSkips) : 0;
    skips_ = misses_;
  }

 private:
  static constexpr int kMaxSkips = 255;

  int misses_ = 0;
  int skips_ = 0;
};

// A batch at `point` took longer than one thread would take.
inline bool IsTooSlow(const LatencyPoint& point, base::Duration took) {
  return point.expected_without > base::Duration::zero() && took > point.expected_without;
}

// Whether batches under load take much longer than the best of about as many rows, which fades. Not thread-safe.
class RowPace {
 public:
  // A batch of `rows` rows took so long, by the clock. Whether that was too slow.
  bool Ran(base::Duration took, int64_t rows) {
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

  std::array<base::Duration, 16> best_{};  // of a row, by the logarithm of the batch's rows
};

}  // namespace torchferry::batching
