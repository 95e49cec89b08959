// Chooses how many of the requests in flight a loop gathers before it begins work: half or all.
#pragma once

#include <array>
#include <cstddef>

#include "server/base/clock.h"

namespace torchferry::rpc {

// With half of them in a batch, clients read and send while the next batch runs. With all, a batch serves more requests
// for its cost, and clients wait for the server meanwhile. Which is better depends on the clients and the host. Both
// are therefore tried in turns, and the better one is kept for a while. All must be clearly better, as half answers
// sooner.
//
// Not thread-safe.
class GatheringShare {
 public:
  // How many of `in_flight` requests are enough to begin work.
  size_t Enough(size_t in_flight) const { return gathers_all_ ? in_flight : (in_flight + 1) / 2; }

  // Work on `requests` ended at `now`.
  void RecordWork(size_t requests, base::TimePoint now) {
    if (phase_begin_ == base::TimePoint{}) return Begin(0, now);
    requests_[gathers_all_ ? 1 : 0] += requests;
    const base::Duration passed = now - phase_begin_;
    if (passed < (phase_ < kTrials ? kTrial : kKept)) return;
    if (phase_ >= kTrials || passed > 2 * kTrial) return Begin(0, now);  // a pause makes a trial worthless
    times_[gathers_all_ ? 1 : 0] += passed;
    Begin(phase_ + 1, now);
  }

  // Trials alternate between half and all. One is long enough for some batches of each client.
  static constexpr int kTrials = 8;
  static constexpr base::Duration kTrial = std::chrono::milliseconds(10);
  // The trials are less than a tenth of the time.
  static constexpr base::Duration kKept = std::chrono::seconds(1);
  // The least ratio of the requests of all to those of half, where all is kept.
  static constexpr double kClearly = 1.05;
  // A share with fewer requests is not judged.
  static constexpr size_t kMinRequests = 100;

 private:
  void Begin(int phase, base::TimePoint now) {
    phase_ = phase;
    phase_begin_ = now;
    gathers_all_ = phase < kTrials ? phase % 2 == 1 : IsAllBetter();
    if (phase > 0 && phase < kTrials) return;
    requests_ = {};
    times_ = {};
  }

  bool IsAllBetter() const {
    const auto& [half, all] = requests_;
    if (half < kMinRequests || all < kMinRequests) return false;
    const auto rate = [&](size_t share) {
      return static_cast<double>(requests_[share]) / base::ToSeconds(times_[share]);
    };
    return rate(1) > kClearly * rate(0);
  }

  int phase_ = 0;
  base::TimePoint phase_begin_{};
  bool gathers_all_ = false;
  std::array<size_t, 2> requests_{};  // of half and of all
  std::array<base::Duration, 2> times_{};
};

}  // namespace torchferry::rpc
