// Decides when a loop gives way to other threads before it begins work, so that more requests share a batch.
#pragma once

#include <cstddef>

#include "server/base/clock.h"
#include "server/rpc/transport/gathering_share.h"

namespace torchferry::rpc {

// Clients on the same processors send their next requests only when they get a processor. A batch of one request costs
// about as much as one of many. A loop that has several events therefore gives way, until it has half of the requests
// that the clients keep in flight, or all (GatheringShare). After kMaxRounds it begins with what it has. Where giving
// way took long, other processes than clients want the processor, and it does not give way for a while.
//
// Not thread-safe.
class Gathering {
 public:
  // Work is due, after `events`. `requests` wait for it.
  void Begin(int events, size_t requests) {
    rounds_ = 0;
    has_company_ = events > 1;
    in_flight_ = last_ + requests;
    requests_ = requests;
  }

  bool MayYield(base::TimePoint now) const {
    return has_company_ && rounds_ < kMaxRounds && requests_ < share_.Enough(in_flight_) && now >= not_before_;
  }

  // It gave way for `duration`, until `now`. Now `requests` wait.
  void RecordYield(base::Duration duration, size_t requests, base::TimePoint now) {
    ++rounds_;
    requests_ = requests;
    if (duration > kLong) not_before_ = now + kPause;
  }

  // The work begins.
  void End() { last_ = requests_; }

  // It has ended.
  void RecordWork(base::TimePoint now) { share_.RecordWork(last_, now); }

  // About 50 us, where no other thread wants the processor.
  static constexpr int kMaxRounds = 20;
  // Less than the kernel's shortest slice for a busy thread, about 1.5 ms on two processors.
  static constexpr base::Duration kLong = std::chrono::milliseconds(1);
  // One such slice in this time is a loss of max 3 %.
  static constexpr base::Duration kPause = std::chrono::milliseconds(100);

 private:
  GatheringShare share_;
  int rounds_ = 0;
  bool has_company_ = false;
  size_t requests_ = 0;
  size_t last_ = 0;       // requests of the last work
  size_t in_flight_ = 0;  // those and what had come when it had ended
  base::TimePoint not_before_{};
};

}  // namespace torchferry::rpc
