// How fast a model runs when several workers run it at the same time.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <span>

#include "server/model/model.h"

namespace torchferry::libtorch {

struct Load {
  int workers = 1;                           // run the model at the same time, on a thread each
  int threads = 1;                           // of an operator, for each worker
  std::chrono::duration<double> time{0.05};  // for which each worker runs it, at least once
  int runs_before = 2;                       // of each worker, not counted: LibTorch compiles during them
  // Rows per second of all workers. Where the first pass of each worker is slower, no other pass runs, and that is the
  // result.
  double gives_up_below = 0;
};

struct Throughput {
  double rows_per_second = 0;  // of all workers together
  bool is_disturbed = false;   // this process's threads waited for processors that others used
  // Where it is disturbed: the max that it would be without that wait.
  double max_rows_per_second = 0;
};

// Runs `requests` as each batch. The workers are threads of this call, so that no team of an operator's threads
// outlives it. Errors are those of Predict.
absl::StatusOr<Throughput> MeasureThroughput(model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                             const Load& load);

}  // namespace torchferry::libtorch
