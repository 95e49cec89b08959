// Decides how many operator threads long batches leave free, so that short ones get more of the processors.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "server/base/clock.h"

namespace torchferry::batching {

// Long batches may keep all processors busy. The threads of short batches, and clients on the same host, then share the
// processors with them. The kernel gives each busy thread an equal part, however many of them one model has.
//
// With one thread less for long batches, short ones may run more often. Whether they do depends on their clients.
// It is therefore tried: a window as it was, then one with one more thread left free. The better one is kept for a
// while. Better is the larger product of both rates: one side gains by a larger factor than the other loses by.
//
// Long batches are here only those that compute on the CPU. Not thread-safe.
class Headroom {
 public:
  // `threads`: operator threads, in all batches of workers that run at the same time. Long batches keep half of them.
  // `long_time`: processor time that the threads of long batches have used so far. Null: none is left free.
  Headroom(int threads, std::function<base::Duration()> long_time)
      : threads_(threads), long_time_(std::move(long_time)) {}

  // Operator threads that long batches leave free at `now`.
  int FreeThreads(base::TimePoint now) const { return IsGone(now) ? 0 : applied_; }

  // From `now` on long batches use `in_use` operator threads.
  void SetInUse(int in_use, base::TimePoint now);
  // A short batch of `rows` rows ended.
  void RecordShort(int64_t rows, base::TimePoint now);

  // Without a short batch for so long, there are no more.
  static constexpr base::Duration kGone = std::chrono::milliseconds(200);
  // A window has kRows rows of short batches, within these times.
  static constexpr int64_t kRows = 50;
  static constexpr base::Duration kMinWindow = std::chrono::milliseconds(100);
  static constexpr base::Duration kMaxWindow = std::chrono::milliseconds(400);
  // Time with the better number after a trial that won.
  static constexpr base::Duration kKept = std::chrono::seconds(4);
  // As kKept, after one that lost. It doubles, up to the max, while the rate of short batches stays within kSameRate.
  static constexpr base::Duration kMinPause = std::chrono::seconds(1);
  static constexpr base::Duration kMaxPause = std::chrono::seconds(30);
  static constexpr double kSameRate = 1.5;
  // The least ratio of the products at which one more thread is left free.
  static constexpr double kClearly = 1.05;
  // Threads that compute for more than this share of their time have processors for themselves.
  static constexpr double kUndisturbed = 0.9;

 private:
  // A rest with the kept number, or the first window of a trial, or its second one, with one more thread left free.
  enum class Phase { kRest, kLess, kMore };

  // Measured in a window.
  struct Rates {
    double rows = 0;        // of short batches, a second
    double processors = 0;  // that long batches used
    double of_each = 0;     // of them, for each thread of these
  };

  int max_free() const { return long_time_ == nullptr ? 0 : threads_ / 2; }
  bool IsGone(base::TimePoint now) const { return last_short_ + kGone < now; }
  // Whether others take processor time from long batches.
  static bool IsDisturbed(const Rates& rates) { return rates.of_each <= kUndisturbed; }
  void Enter(Phase phase, base::TimePoint now);
  void BeginWindow(base::TimePoint now);
  void EndWindow(const Rates& rates, base::TimePoint now);
  bool IsTrialDue(const Rates& rates, base::TimePoint now) const;
  void Keep(bool more, base::TimePoint now);

  const int threads_;
  const std::function<base::Duration()> long_time_;

  Phase phase_ = Phase::kRest;
  int kept_ = 0;          // threads left free, as decided
  int applied_ = 0;       // those of now
  int less_ = 0;          // those of kLess
  bool went_up_ = false;  // the last trial was of more than kept_
  base::TimePoint rests_until_{};
  base::Duration pause_{0};  // after the last trial that lost
  double lost_rate_ = 0;     // of short batches before that trial; 0: the last trial won
  Rates rates_less_;         // of the first window of the trial

  int in_use_ = 0;
  base::TimePoint last_short_{};
  bool has_begun_ = false;  // the window
  base::TimePoint begin_{};
  int64_t rows_ = 0;
  base::Duration long_time_before_{0};
};

}  // namespace torchferry::batching
