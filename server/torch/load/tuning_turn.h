// One search at a time in a process: two would disturb each other's measurements.
#pragma once

#include <functional>
#include <mutex>

namespace torchferry::libtorch {

using TuningTurn = std::unique_lock<std::timed_mutex>;

// Waits for at most `max_seconds`, because the search that has the turn may not end. The wait also ends when
// `is_stopping`, which may be null, is true. A result without the lock: another search has it.
TuningTurn AwaitTuningTurn(double max_seconds, const std::function<bool()>& is_stopping);

// As AwaitTuningTurn, without waiting.
TuningTurn TryTuningTurn();

}  // namespace torchferry::libtorch
