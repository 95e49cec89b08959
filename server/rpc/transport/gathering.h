// Decides when a loop gives way to other threads before it begins work, so that more requests share a batch.
#pragma once

#include "server/base/clock.h"

namespace torchferry::rpc {

// Clients on the same processors send their next requests only when they get a processor. A batch of one request costs
// about as much as one of many. A loop that has several events therefore gives way a few times, while that brings more.
// It stops for a while when giving way took long: then other processes than clients want the processor. Not
// thread-safe.
class Gathering {
 public:
  // Work is due, after `events`.
  void Begin(int events) {
    rounds_ = 0;
    brings_more_ = events > 1;
  }

  bool GivesWay(base::TimePoint now) const { return brings_more_ && rounds_ < kMaxRounds && now >= not_before_; }

  // It gave way for `duration`, until `now`, and `events` came.
  void GaveWay(base::Duration duration, int events, base::TimePoint now) {
    ++rounds_;
    brings_more_ = events > 0;
    if (duration > kLong) not_before_ = now + kPause;
  }

  static constexpr int kMaxRounds = 8;
  // Less than the kernel's shortest slice for a busy thread, about 1.5 ms on two processors.
  static constexpr base::Duration kLong = std::chrono::milliseconds(1);
  // One such slice in this time is a loss of max 3 %.
  static constexpr base::Duration kPause = std::chrono::milliseconds(100);

 private:
  int rounds_ = 0;
  bool brings_more_ = false;
  base::TimePoint not_before_{};
};

}  // namespace torchferry::rpc
