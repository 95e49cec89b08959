// How many lines somebody else may write into the log. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "server/base/clock.h"

namespace torchferry::base {

// So many lines in each stretch of time; those beyond are counted. One thread.
class LineBudget {
 public:
  LineBudget(uint64_t lines, Duration stretch) : lines_(lines), stretch_(stretch) {}

  // Nothing: the line at `now` is one too many. Else how many were dropped since the last one that was not.
  std::optional<uint64_t> Take(TimePoint now) {
    if (!began_.has_value() || now - *began_ >= stretch_) {
      began_ = now;
      taken_ = 0;
    }
    if (taken_ >= lines_) {
      ++dropped_;
      return std::nullopt;
    }
    ++taken_;
    return std::exchange(dropped_, 0);
  }

 private:
  const uint64_t lines_;
  const Duration stretch_;
  std::optional<TimePoint> began_;
  uint64_t taken_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace torchferry::base
