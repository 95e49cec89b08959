// What `bench` is to do, checked: the steps of a sweep and what holds for all of them.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "client/bench/arrivals.h"
#include "client/bench/bench_options.h"

namespace torchferry::client {

// One or the other.
struct BenchStep {
  int64_t concurrency = 0;  // closed loop: that many requests are in flight, each followed by the next
  double rate = 0;          // open loop: requests a second, due at times of their own

  bool is_open() const { return concurrency == 0; }
};

struct BenchPlan {
  std::vector<BenchStep> steps;  // all open or all closed; at least one
  ArrivalKind arrivals = ArrivalKind::kConstant;
  int64_t max_outstanding = 0;  // in an open loop; a request over that is not sent
  std::chrono::nanoseconds warm_up{};
  std::chrono::nanoseconds duration{};  // of each step, after its warm-up
  int connections = 1;
  int threads = 1;    // at most as many as connections
  uint64_t seed = 0;  // of kPoisson

  bool is_open() const { return steps.front().is_open(); }
};

// `seed` stands in for one that was not given. INVALID_ARGUMENT that names the flag, its value and what was expected.
absl::StatusOr<BenchPlan> MakeBenchPlan(const BenchOptions& options, uint64_t seed);

}  // namespace torchferry::client
