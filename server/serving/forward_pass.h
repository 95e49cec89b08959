// The forward pass of one batch on one placement.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "server/base/clock.h"
#include "server/serving/placements.h"
#include "server/serving/predict_task.h"
#include "server/serving/stuck_batch.h"
#include "server/tensor/signature.h"

namespace torchferry::serving {

// Thread-safe.
class ForwardPass {
 public:
  struct Options {
    bool is_stateful = false;
    // True where batches are formed. The model then treats each row by itself, so that a request may run in pieces.
    bool may_split_rows = false;
  };

  // `signature`, `placements` and `clock` must outlive it.
  ForwardPass(Options options, const tensor::Signature& signature, Placements& placements, const base::Clock& clock)
      : options_(options), signature_(signature), placements_(placements), clock_(clock) {}

  // Runs `batch`, which is not empty; with a stateful model it is one request. That request runs on its session's copy
  // or, without a session, on a fresh one. Any other request that is alone runs in pieces where its rows do not fit.
  // Errors are Model::Predict's and Model::Clone's; between pieces, QueuedTask::CheckTime's. `watched` watches each
  // pass and each copy; once it is given up, nothing more is run.
  Attempt Run(const Placements::Use& use, const Batch& batch, WatchedBatch& watched);

 private:
  using Answers = absl::StatusOr<std::vector<model::Outputs>>;
  Answers Stateful(const Placements::Use& use, const Batch& batch, WatchedBatch& watched, Attempt& attempt);
  Answers InPieces(const Placements::Use& use, const Batch& batch, WatchedBatch& watched, model::PhaseTimes& times);

  const Options options_;
  const tensor::Signature& signature_;
  Placements& placements_;
  const base::Clock& clock_;
};

}  // namespace torchferry::serving
