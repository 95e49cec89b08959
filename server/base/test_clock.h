// A clock for the tests.
#pragma once

#include <atomic>

#include "server/base/clock.h"

namespace torchferry::base {

// Stands still but for what a test adds. It begins at the epoch, in the past of the process's clock: who waits for one
// of its times on a condition variable does not wait. Thread-safe.
class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(ticks_)); }
  void Advance(Duration duration) { ticks_ += duration.count(); }

 private:
  std::atomic<Duration::rep> ticks_{0};
};

}  // namespace torchferry::base
