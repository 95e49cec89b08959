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
};

// Rows per second of all workers together, where each batch is `requests`. Predict's errors.
absl::StatusOr<double> MeasureThroughput(model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                         const Load& load);

}  // namespace torchferry::libtorch
