// When a small batch gets more threads than batches have under load, and how many. Pure.
#pragma once

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

// Whether the latency point still pays. A process outside may hold the processors that the threads need: a batch on
// several threads is then many times slower, and one thread is not. Each batch there that took longer than one thread
// would is followed by batches as under load, about twice as many each time. Not thread-safe.
class LatencyTrial {
 public:
  // Whether the next batch may run there.
  bool MayRun() {
    if (skips_ == 0) return true;
    --skips_;
    return false;
  }

  // A batch of `point` ran there.
  void Ran(const LatencyPoint& point, base::Duration took);

 private:
  static constexpr int kMaxSkips = 255;

  int misses_ = 0;
  int skips_ = 0;
};

}  // namespace torchferry::batching
