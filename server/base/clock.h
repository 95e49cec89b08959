// Time is an argument or a Clock's, so that decisions can be tested without waiting.
#pragma once

#include <chrono>

namespace torchferry::base {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

inline constexpr TimePoint kNoDeadline = TimePoint::max();

inline double ToSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;

  // The process's monotonic clock.
  static const Clock& Real();
};

}  // namespace torchferry::base
