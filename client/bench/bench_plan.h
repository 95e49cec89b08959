// The checked plan of a `bench` run: the steps of a sweep and the settings that all of them share.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "client/bench/arrivals.h"
#include "client/bench/bench_options.h"

namespace torchferry::client {

// A step has either a concurrency or a rate.
struct BenchStep {
  int64_t concurrency = 0;  // closed loop: requests in flight; each answer is followed by the next request
  double rate = 0;          // open loop: requests a second, due at fixed times

  bool is_open() const { return concurrency == 0; }
};

struct BenchPlan {
  std::vector<BenchStep> steps;  // all open or all closed; at least one
  ArrivalKind arrivals = ArrivalKind::kConstant;
  int64_t max_outstanding = 0;  // in an open loop; a request over it is not sent
  std::chrono::nanoseconds warm_up{};
  std::chrono::nanoseconds duration{};  // of each step, after its warm-up
  int connections = 1;
  int threads = 1;    // at most as many as connections
  uint64_t seed = 0;  // for kPoisson

  bool is_open() const { return steps.front().is_open(); }
};

// `seed` is used if `options` has none. INVALID_ARGUMENT names the flag, its value and what was expected.
absl::StatusOr<BenchPlan> MakeBenchPlan(const BenchOptions& options, uint64_t seed);

}  // namespace torchferry::client
