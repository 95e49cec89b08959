// One step of `bench`, carried out.
#pragma once

#include <functional>

#include "client/bench/bench_plan.h"
#include "client/bench/bench_stats.h"
#include "client/bench/in_flight_calls.h"

namespace torchferry::client {

struct StepResult {
  BenchStats stats;
  absl::Status gone;  // the server's going away, which ended it
  bool was_stopped = false;
};

// Returns when the step is over and what was in flight at its end is answered. `on_tick` is called on this thread
// several times a second, with the time since the step began; false stops the step at once.
//
// Threads: `plan.threads` that wait for answers, with the channels shared out among them (one in all costs the least
// processor time). In a closed loop they also make the calls; in an open one another thread does, so that no answer
// delays a request that is due, and since gRPC's queues wake no sooner than the next millisecond.
StepResult RunStep(const BenchPlan& plan, const BenchStep& step, const BenchTarget& target,
                   const std::function<bool(std::chrono::nanoseconds elapsed)>& on_tick);

}  // namespace torchferry::client
