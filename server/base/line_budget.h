// A limit for the lines that somebody else may write into the log. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "server/base/clock.h"

namespace torchferry::base {

// Admits `lines` lines in each stretch of time, and counts those beyond. Used by one thread.
class LineBudget {
 public:
  LineBudget(uint64_t lines, Duration stretch) : lines_(lines), stretch_(stretch) {}

  // nullopt when the line at `now` is over the budget. Else the number of lines that were dropped since the last
  // admitted one.
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
