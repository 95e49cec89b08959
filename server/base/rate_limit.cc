#include "server/base/rate_limit.h"

#include <algorithm>
#include <utility>

namespace torchferry::base {

std::optional<uint64_t> RateLimit::Admit(TimePoint now) {
  if (last_ != TimePoint::min()) left_ = std::min(burst_, left_ + ToSeconds(now - last_) * per_second_);
  last_ = now;
  if (left_ < 1) {
    ++refused_;
    return std::nullopt;
  }
  left_ -= 1;
  return std::exchange(refused_, 0);
}

}  // namespace torchferry::base
