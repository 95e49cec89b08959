// A clock for the tests.
#pragma once

#include <atomic>

#include "server/base/clock.h"

namespace torchferry::base {

// The time stands still, except for what a test adds. It begins at the epoch, which the process's clock has passed. A
// wait on a condition variable until one of its times returns at once. Thread-safe.
class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(ticks_)); }
  void Advance(Duration duration) { ticks_ += duration.count(); }

 private:
  std::atomic<Duration::rep> ticks_{0};
};

}  // namespace torchferry::base
