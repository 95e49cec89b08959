#include "server/batching/headroom.h"

#include <algorithm>
#include <utility>

namespace torchferry::batching {

void Headroom::SetInUse(int in_use, base::TimePoint now) {
  in_use_ = in_use;
  if (!has_begun_) BeginWindow(now);
}

void Headroom::BeginWindow(base::TimePoint now) {
  // Where they use more, some began before the last change. Where they use less, they need no more.
  if (max_free() == 0 || in_use_ != threads_ - applied_ || IsGone(now)) return;
  has_begun_ = true;
  begin_ = now;
  rows_ = 0;
  long_time_before_ = long_time_();
}

void Headroom::RecordShort(int64_t rows, base::TimePoint now) {
  if (IsGone(now)) {
    if (std::exchange(kept_, 0) > 0) rests_until_ = now;  // what has won is tried anew, what has lost is not
    Enter(Phase::kRest, now);
  }
  last_short_ = now;
  if (!has_begun_) return BeginWindow(now);
  rows_ += rows;
  const base::Duration passed = now - begin_;
  if (passed < kMinWindow || (rows_ < kRows && passed < kMaxWindow)) return;
  has_begun_ = false;
  const double seconds = base::ToSeconds(passed);
  const double processors = base::ToSeconds(long_time_() - long_time_before_) / seconds;
  EndWindow({static_cast<double>(rows_) / seconds, processors, processors / (threads_ - applied_)}, now);
}

void Headroom::Enter(Phase phase, base::TimePoint now) {
  phase_ = phase;
  applied_ = phase == Phase::kRest ? kept_ : less_ + (phase == Phase::kMore ? 1 : 0);
  has_begun_ = false;
  BeginWindow(now);
}

void Headroom::EndWindow(const Rates& rates, base::TimePoint now) {
  switch (phase_) {
    case Phase::kRest:
      if (!IsTrialDue(rates, now)) return BeginWindow(now);
      went_up_ = kept_ == 0 || (!went_up_ && kept_ < max_free() && IsDisturbed(rates));
      less_ = went_up_ ? kept_ : kept_ - 1;
      rates_less_ = rates;
      return Enter(went_up_ ? Phase::kMore : Phase::kLess, now);
    case Phase::kLess:
      rates_less_ = rates;
      return Enter(Phase::kMore, now);
    case Phase::kMore:
      const double less = rates_less_.rows * rates_less_.processors;
      return Keep(rates.rows * rates.processors > less * (went_up_ ? kClearly : 1), now);
  }
}

bool Headroom::IsTrialDue(const Rates& rates, base::TimePoint now) const {
  const bool has_changed =
      lost_rate_ > 0 && (rates.rows > kSameRate * lost_rate_ || kSameRate * rates.rows < lost_rate_);
  if (now < rests_until_ && !has_changed) return false;
  return kept_ > 0 || IsDisturbed(rates);
}

void Headroom::Keep(bool more, base::TimePoint now) {
  kept_ = less_ + (more ? 1 : 0);
  if (more) {
    lost_rate_ = 0;
    rests_until_ = now + kKept;
  } else {
    const double rate = rates_less_.rows;
    const bool is_as_before = rate < kSameRate * lost_rate_ && lost_rate_ < kSameRate * rate;
    pause_ = is_as_before ? std::min(2 * pause_, kMaxPause) : kMinPause;
    lost_rate_ = rate;
    rests_until_ = now + pause_;
  }
  Enter(Phase::kRest, now);
}

}  // namespace torchferry::batching
