// When a request could run at the earliest, by what waits before it. Pure.
//
// It is a bound, and no guess: a request is refused for it only where no way to run what waits would have been quick
// enough. Only callers that go away before their deadlines are not foreseen.
#pragma once

#include <absl/status/status.h>

#include <algorithm>
#include <cstdint>

#include "server/base/clock.h"

namespace torchferry::batching {

// Of those before it, in the order in which they will begin; all of one batch key and without ordering keys.
class EarliestStart {
 public:
  struct Pace {
    int64_t rows = 0;            // of a batch, at most; 0: tasks run alone
    int parallel = 1;            // batches at the same time, at most
    base::Duration shortest{0};  // that one takes, at least
  };

  EarliestStart(const Pace& pace, base::TimePoint now) : pace_(pace), now_(now) {}

  // One that could not be answered by its own deadline may end in the queue: it takes no time of the others.
  void Add(int64_t rows, base::TimePoint deadline) {
    if (deadline - now_ < Offset() + pace_.shortest) return;
    units_ += UnitsOf(rows);
  }
  // Of what comes after those.
  base::TimePoint Get() const { return now_ + Offset(); }

  // As Get would be if all of `tasks`, with `rows` together, were added: it is not later than this.
  static base::Duration MaxOffset(const Pace& pace, int64_t tasks, int64_t rows) {
    return OffsetOf(pace, pace.rows > 0 ? rows : tasks);
  }

 private:
  // A task that is larger than a batch is one.
  int64_t UnitsOf(int64_t rows) const { return pace_.rows > 0 ? std::min(rows, pace_.rows) : 1; }
  // What fits into batches that are full.
  static base::Duration OffsetOf(const Pace& pace, int64_t units) {
    const int64_t batches = units / std::max<int64_t>(pace.rows, 1);
    return batches / std::max(pace.parallel, 1) * pace.shortest;
  }
  base::Duration Offset() const { return OffsetOf(pace_, units_); }

  const Pace pace_;
  const base::TimePoint now_;
  int64_t units_ = 0;  // rows, or tasks that run alone
};

// UNAVAILABLE, with the time after which a request with the same deadline would wait less (base/refusal.h): what it is
// told that could run after `earliest` and has `left`.
absl::Status WaitStatus(base::Duration earliest, base::Duration left);

}  // namespace torchferry::batching
