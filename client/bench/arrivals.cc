#include "client/bench/arrivals.h"

namespace torchferry::client {

Arrivals::Arrivals(ArrivalKind kind, double rate, uint64_t seed)
    : kind_(kind), rate_(rate), random_(seed), gap_(rate) {}

std::chrono::nanoseconds Arrivals::Next() {
  if (kind_ == ArrivalKind::kPoisson) {
    seconds_ += gap_(random_);
  } else {
    // From the count, so that no error of rounding adds up.
    seconds_ = static_cast<double>(count_++) / rate_;
  }
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds_));
}

}  // namespace torchferry::client
