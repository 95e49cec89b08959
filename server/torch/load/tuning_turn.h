// One search at a time in a process: two would measure each other.
#pragma once

#include <functional>
#include <mutex>

namespace torchferry::libtorch {

using TuningTurn = std::unique_lock<std::timed_mutex>;

// Waits for at most so long, as the search that has the turn may not end, and no longer than until `is_stopping`, which
// may be null. Without the lock: another one has it.
TuningTurn AwaitTuningTurn(double max_seconds, const std::function<bool()>& is_stopping);

// Without waiting.
TuningTurn TryTuningTurn();

}  // namespace torchferry::libtorch
