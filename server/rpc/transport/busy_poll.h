// Decides when to poll for the next event instead of sleeping until it comes. Sleep delays an event that comes soon by
// tens of microseconds.
#pragma once

#include <algorithm>

#include "server/base/clock.h"

namespace torchferry::rpc {

// Polls after each work, max for `window`, while the next work tends to come within that. After each miss about twice
// as many works pass before the next try, so that rare requests do not keep a processor busy. Not thread-safe.
class BusyPoll {
 public:
  // `window` 0: it never polls.
  explicit BusyPoll(base::Duration window) : window_(window) {}

  void RecordWork(base::TimePoint now) {
    if (is_polling_) {
      misses_ = 0;
    } else if (skips_ > 0) {
      --skips_;
      return;
    }
    is_polling_ = window_ > base::Duration::zero();
    until_ = now + window_;
  }

  bool IsPolling(base::TimePoint now) {
    if (!is_polling_ || now < until_) return is_polling_;
    is_polling_ = false;
    misses_ = std::min(2 * misses_ + 1, kMaxSkips);
    skips_ = misses_;
    return false;
  }

 private:
  static constexpr int kMaxSkips = 63;

  const base::Duration window_;
  bool is_polling_ = false;
  base::TimePoint until_{};
  int misses_ = 0;
  int skips_ = 0;  // works until the next try
};

}  // namespace torchferry::rpc
