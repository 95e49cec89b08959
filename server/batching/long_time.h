// Processor time of the threads that run long batches.
#pragma once

#include <algorithm>
#include <vector>

#include "server/base/clock.h"
#include "server/base/processor_time.h"

namespace torchferry::batching {

// Not thread-safe.
class LongTime {
 public:
  // The thread of `clock` begins a long batch, whose operators use `threads` threads.
  void Begin(base::ThreadClock clock, int threads) {
    running_.push_back({.clock = clock, .threads = threads, .began = base::ProcessorTime(clock)});
  }
  // It has ended that batch.
  void End(base::ThreadClock clock) {
    const auto batch = std::ranges::find(running_, clock, &Batch::clock);
    ended_ += Of(*batch);
    running_.erase(batch);
  }

  // The time so far. Each thread of a batch counts as much as the one that runs it.
  base::Duration Total() const {
    base::Duration total = ended_;
    for (const Batch& batch : running_) total += Of(batch);
    return total;
  }

 private:
  struct Batch {
    base::ThreadClock clock{};
    int threads = 1;
    base::Duration began{0};
  };

  static base::Duration Of(const Batch& batch) {
    return (base::ProcessorTime(batch.clock) - batch.began) * batch.threads;
  }

  std::vector<Batch> running_;
  base::Duration ended_{0};
};

}  // namespace torchferry::batching
