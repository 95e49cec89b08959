// How fast a model runs when several workers run it at the same time.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <span>

#include "server/model/model.h"

namespace torchferry::libtorch {

struct Load {
  int workers = 1;                           // threads that run it, each with
  int threads = 1;                           // so many of an operator's own
  std::chrono::duration<double> time{0.05};  // for which each runs it; once at least
  int runs_before = 2;  // of each worker, that do not count: LibTorch compiles what it has seen run
  // Rows per second of all workers. Where the first pass of each is slower, no more run, and that is the answer.
  double gives_up_below = 0;
};

struct Throughput {
  double rows_per_second = 0;  // of all workers together
  bool is_disturbed = false;   // this process's threads waited for processors, as others had them
  // Where it is disturbed: what it would be at most, had they not waited.
  double max_rows_per_second = 0;
};

// Where each batch is `requests`. The workers are threads of this call, so that no team of an operator's threads
// outlives it. Predict's errors.
absl::StatusOr<Throughput> MeasureThroughput(model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                             const Load& load);

}  // namespace torchferry::libtorch
