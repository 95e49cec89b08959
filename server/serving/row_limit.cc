#include "server/serving/row_limit.h"

#include <algorithm>

namespace torchferry::serving {
namespace {

constexpr base::Duration kFirstWait = std::chrono::seconds(1);
constexpr base::Duration kLongestWait = std::chrono::seconds(60);

}  // namespace

std::optional<int64_t> RowLimit::At(base::TimePoint now) const { return now < until_ ? limit_ : std::nullopt; }

void RowLimit::OutOfMemory(int64_t rows, base::TimePoint now) {
  if (rows <= 1 && ++one_row_failures_ < 2) return;
  const int64_t limit = std::max<int64_t>(rows, 1) / 2;
  const bool is_first = !limit_.has_value();
  const bool is_second_try = !is_first && now >= until_;
  if (is_first) wait_ = kFirstWait;
  if (is_second_try) wait_ = std::min(wait_ * 2, kLongestWait);
  // Within one wait a smaller failure lowers it; what was in flight meanwhile does not raise it.
  limit_ = is_first || is_second_try ? limit : std::min(*limit_, limit);
  until_ = now + wait_;
}

void RowLimit::RecordFit(int64_t rows) {
  one_row_failures_ = 0;
  if (limit_.has_value() && rows > *limit_) limit_.reset();
}

}  // namespace torchferry::serving
