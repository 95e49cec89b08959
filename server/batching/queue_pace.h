// How long the batches of a queue take. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::batching {

// Of the last batches, the longest counts: a model that is only sometimes quick is not one. It fades by an eighth with
// each batch. Not thread-safe.
class QueuePace {
 public:
  // A batch ended. `duration`: of the processor where the model computes there, so that a busy host does not make a
  // quick model slow; else of the clock.
  void Took(base::Duration duration) {
    ++batches_;
    shortest_ = batches_ == 1 ? duration : std::min(duration, shortest_ + shortest_ / kShortestFades);
    longest_ = longest_.has_value() ? std::max(duration, *longest_ - *longest_ / kFades) : duration;
    mean_ = mean_ == base::Duration::zero() ? duration : mean_ + (duration - mean_) / kFades;
  }

  // Before the first batch: what one takes, as was measured at load.
  void Expect(base::Duration duration) { longest_ = mean_ = duration; }

  // So many batches have run that the next one will hardly be of another kind: a loop in a model's code may run as
  // often as its input says.
  bool IsProven() const { return batches_ >= kProof; }
  // Nothing has run, and nothing is expected: hours.
  base::Duration longest() const { return longest_.value_or(std::chrono::hours(1)); }
  // Of the last batches; it fades slowly, as a single quick one says what is possible. Zero: nothing has run.
  base::Duration shortest() const { return shortest_; }
  // Of a batch, lately. Zero: nothing has run.
  base::Duration mean() const { return mean_; }
  // A batch ends within about the time that it takes to wake a worker.
  bool IsQuick() const { return longest() <= kQuick; }
  // A batch is so short that it may share a processor with a longer one.
  bool IsShort() const { return longest() <= kShort; }

  static constexpr base::Duration kQuick = std::chrono::microseconds(200);
  static constexpr base::Duration kShort = std::chrono::milliseconds(10);

 private:
  static constexpr int kFades = 8;
  static constexpr int kShortestFades = 64;
  static constexpr uint64_t kProof = 32;

  uint64_t batches_ = 0;
  std::optional<base::Duration> longest_;
  base::Duration mean_{0};
  base::Duration shortest_{0};
};

}  // namespace torchferry::batching
