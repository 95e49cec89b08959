// How long the batches of a queue take. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::batching {

// The time of a batch, and the part of it until its outputs were there. The rest is for the answers, which cost the
// same on any thread.
struct BatchTime {
  template <typename Rep, typename Period>
  BatchTime(std::chrono::duration<Rep, Period> taken)  // NOLINT(google-explicit-constructor): all of it
      : BatchTime(taken, taken) {}
  BatchTime(base::Duration taken, base::Duration until_computed) : whole(taken), computing(until_computed) {}

  base::Duration whole;
  base::Duration computing;
};

// The longest of the last batches counts: a model that is only sometimes quick does not count as quick. The longest
// time fades by an eighth with each batch. Not thread-safe.
class QueuePace {
 public:
  // A batch ended. `time` is processor time where the model computes on the processor, otherwise clock time. A busy
  // host hence does not make a quick model slow.
  void RecordBatch(const BatchTime& time) {
    const base::Duration duration = time.whole;
    ++batches_;
    shortest_ = batches_ == 1 ? duration : std::min(duration, shortest_ + shortest_ / kShortestFades);
    longest_ = Fade(longest_, duration);
    longest_computing_ = Fade(longest_computing_, time.computing);
    mean_ = mean_ == base::Duration::zero() ? duration : mean_ + (duration - mean_) / kFades;
  }

  // Sets the time of a batch before the first one has run, as measured at load.
  void Expect(base::Duration duration) { longest_ = longest_computing_ = mean_ = duration; }

  // Whether enough batches have run to predict the next one. A few do not prove much: a loop in a model's code may run
  // as often as its input says.
  bool IsProven() const { return batches_ >= kProof; }
  // The longest recent time. kUnknown while no batch has run and no time is expected.
  base::Duration longest() const { return longest_.value_or(kUnknown); }
  // As longest(), until the outputs were there.
  base::Duration longest_computing() const { return longest_computing_.value_or(kUnknown); }
  // The shortest recent time. It fades slowly, as a single quick batch shows what is possible. Zero: no batch has run.
  base::Duration shortest() const { return shortest_; }
  // The mean recent time, or the expected one before the first batch. Zero: neither is known.
  base::Duration mean() const { return mean_; }
  // Whether a batch computes within about the time that it takes to wake a worker, and its answers do not take long.
  bool IsQuick() const { return longest_computing() <= kQuick && longest() <= kQuickWithAnswers; }
  // Whether a batch is short enough to share a processor with a longer one.
  bool IsShort() const { return longest() <= kShort; }

  static constexpr base::Duration kQuick = std::chrono::microseconds(200);
  static constexpr base::Duration kQuickWithAnswers = std::chrono::milliseconds(2);
  static constexpr base::Duration kShort = std::chrono::milliseconds(10);

 private:
  static constexpr int kFades = 8;
  static constexpr int kShortestFades = 64;
  static constexpr uint64_t kProof = 32;
  static constexpr base::Duration kUnknown = std::chrono::hours(1);

  static base::Duration Fade(const std::optional<base::Duration>& longest, base::Duration duration) {
    return longest.has_value() ? std::max(duration, *longest - *longest / kFades) : duration;
  }

  uint64_t batches_ = 0;
  std::optional<base::Duration> longest_;
  std::optional<base::Duration> longest_computing_;
  base::Duration mean_{0};
  base::Duration shortest_{0};
};

}  // namespace torchferry::batching
