// Computes when a request could run at the earliest, from the requests that wait before it. Pure.
//
// It is a bound, not a guess. A request is refused for it only where no way to run the waiting requests would be quick
// enough. It does not foresee callers that go away before their deadlines.
#pragma once

#include <absl/status/status.h>

#include <algorithm>
#include <cstdint>

#include "server/base/clock.h"

namespace torchferry::batching {

// The earliest start of a request behind others. These are added in the order in which they will begin. All have one
// batch key and no ordering keys.
class EarliestStart {
 public:
  struct Pace {
    int64_t rows = 0;            // max rows of a batch; 0: tasks run alone
    int parallel = 1;            // max batches at the same time
    base::Duration shortest{0};  // min time of a batch
  };

  EarliestStart(const Pace& pace, base::TimePoint now) : pace_(pace), now_(now) {}

  // Adds a request. One that cannot be answered by its own deadline may end in the queue, so it does not count.
  void Add(int64_t rows, base::TimePoint deadline) {
    if (deadline - now_ < Offset() + pace_.shortest) return;
    units_ += UnitsOf(rows);
  }
  // The earliest start of a request behind all that were added.
  base::TimePoint Get() const { return now_ + Offset(); }

  // The max of Get() - `now` after `tasks` requests were added that have `rows` rows together.
  static base::Duration MaxOffset(const Pace& pace, int64_t tasks, int64_t rows) {
    return OffsetOf(pace, pace.rows > 0 ? rows : tasks);
  }

 private:
  // A task that is larger than a batch counts as one full batch.
  int64_t UnitsOf(int64_t rows) const { return pace_.rows > 0 ? std::min(rows, pace_.rows) : 1; }
  // The time of the full batches that `units` make.
  static base::Duration OffsetOf(const Pace& pace, int64_t units) {
    const int64_t batches = units / std::max<int64_t>(pace.rows, 1);
    return batches / std::max(pace.parallel, 1) * pace.shortest;
  }
  base::Duration Offset() const { return OffsetOf(pace_, units_); }

  const Pace pace_;
  const base::TimePoint now_;
  int64_t units_ = 0;  // rows, or tasks that run alone
};

// UNAVAILABLE, for a request that could run after `earliest` and has `left` until its deadline. It carries the time
// after which a request with the same time limit would wait less (base/refusal.h).
absl::Status WaitStatus(base::Duration earliest, base::Duration left);

}  // namespace torchferry::batching
