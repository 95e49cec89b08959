#include "server/torch/load/tuning_turn.h"

#include <chrono>

#include "server/base/clock.h"

namespace torchferry::libtorch {
namespace {

std::timed_mutex& Turns() {
  static auto* const mutex = new std::timed_mutex;
  return *mutex;
}

}  // namespace

TuningTurn AwaitTuningTurn(double max_seconds, const std::function<bool()>& is_stopping) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  TuningTurn turn(Turns(), std::defer_lock);
  const base::TimePoint until = base::Clock::Real().Now() +
                                std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(max_seconds));
  const auto is_over = [&] { return base::Clock::Real().Now() > until || (is_stopping && is_stopping()); };
  while (!turn.try_lock_for(kLook) && !is_over()) {
  }
  return turn;
}

TuningTurn TryTuningTurn() { return TuningTurn(Turns(), std::try_to_lock); }

}  // namespace torchferry::libtorch
