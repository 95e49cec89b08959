#include "server/base/pass.h"

namespace torchferry::base {

std::optional<PassView> Pass::Look() const {
  const uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & kStates) != kRunning) return std::nullopt;
  return PassView{.number = word >> kStateBits,
                  .began = TimePoint(Duration(began_.load(std::memory_order_relaxed))),
                  .limit = Duration(limit_.load(std::memory_order_relaxed))};
}

std::function<void()> Pass::GiveUp(const PassView& seen, TimePoint now) {
  uint64_t word = (seen.number << kStateBits) | kRunning;
  const uint64_t giving_up = (seen.number << kStateBits) | kGivingUp;
  if (!word_.compare_exchange_strong(word, giving_up, std::memory_order_acq_rel)) return nullptr;
  // It can neither end nor be followed by another now, so these are its own.
  std::function<void()> next = overrun_.load(std::memory_order_relaxed)->GiveUp(now - seen.began);
  word_.store((seen.number << kStateBits) | kGivenUp, std::memory_order_release);
  word_.notify_all();
  return next;
}

void Pass::AwaitGivenUp() {
  const uint64_t giving_up = (number_ << kStateBits) | kGivingUp;
  word_.wait(giving_up, std::memory_order_acquire);
  word_.store(number_ << kStateBits, std::memory_order_relaxed);
}

}  // namespace torchferry::base
