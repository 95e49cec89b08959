// A limit for how often something may happen: `burst` times at once, and then `per_second` times a second.
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::base {

// Not thread-safe. `now` never goes back.
class RateLimit {
 public:
  RateLimit(double burst, double per_second) : burst_(burst), per_second_(per_second), left_(burst) {}

  // Asks whether it may happen at `now`. Returns how many were refused since the last admitted one; nullopt: this one
  // is refused too.
  std::optional<uint64_t> Admit(TimePoint now);

 private:
  const double burst_;
  const double per_second_;
  double left_;
  TimePoint last_ = TimePoint::min();  // of Admit
  uint64_t refused_ = 0;
};

}  // namespace torchferry::base
