// Runs one step of `bench`.
#pragma once

#include <functional>

#include "client/bench/bench_plan.h"
#include "client/bench/bench_stats.h"
#include "client/bench/in_flight_calls.h"

namespace torchferry::client {

struct StepResult {
  BenchStats stats;
  absl::Status gone;  // why the server is gone, which ended the step; OK: it is not
  bool was_stopped = false;
};

// Returns when the step is over and every request in flight at its end is answered. `on_tick` is called on this thread
// several times a second, with the time since the step began. If it returns false, the step stops at once.
//
// `plan.threads` threads wait for answers, and share the channels among them. One thread costs the least processor
// time. In a closed loop they also make the calls. In an open loop another thread makes them, so that no answer delays
// a request that is due. The waiting threads could not keep the due times: gRPC's queues wake no sooner than the next
// millisecond.
StepResult RunStep(const BenchPlan& plan, const BenchStep& step, const BenchTarget& target,
                   const std::function<bool(std::chrono::nanoseconds elapsed)>& on_tick);

}  // namespace torchferry::client
