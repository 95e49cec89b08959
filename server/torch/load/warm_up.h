// The runs of a model before its first request: LibTorch compiles what it has seen run, and a device's libraries choose
// their kernels then.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"

namespace torchferry::libtorch {

// The request that one entry of model_warmup stands for, with `rows` rows of it. NOT_FOUND (its file), INVALID_ARGUMENT
// (it does not fit the model).
absl::StatusOr<tensor::BoundInputs> WarmUpRequest(const config::WarmUp& warm_up, int64_t rows,
                                                  const tensor::Signature& signature, const config::ModelConfig& config,
                                                  const base::StoreFolder& folder);

// What is run, and on what.
struct WarmUpTask {
  const std::shared_ptr<model::Model>& model;
  const config::ModelConfig& config;
  const base::StoreFolder& folder;               // the model's; files are read from warmup/ in it
  const tensor::BoundInputs* example = nullptr;  // a row that it is known to run on; null: none
};

// Before the version serves: runs what `model_warmup` says; without it the example, else, where the configuration
// declares each input, a generated row, unless a kept result of tuning was compared on one. Then, where requests share
// forward passes, as many of the row counts that these will have as are quick, in ascending order. A stateful model
// runs on a copy.
//
// Gives the rest of these row counts, where the version is tuned: a job that runs one of them a piece, on as many
// threads as batches have. Null: nothing is left. Of a version that is not tuned nobody knows how large batches should
// be.
//
// Each run that was made is in `info.decisions`. A request of model_warmup that cannot be made or that the model
// refuses is an error, which names it: NOT_FOUND (its file), INVALID_ARGUMENT (it does not fit the model),
// FAILED_PRECONDITION (the model raised). An example that the model refuses is a warning. A generated row may be one
// that the model refuses, which is noted and no error. RESOURCE_EXHAUSTED and UNAVAILABLE are the device's, of either.
absl::StatusOr<model::IdleJob> RunWarmUps(const WarmUpTask& task, model::ModelInfo& info);

// A job that runs `task.model`, which small batches run on, with each number of rows that `latency` allows, on the
// threads that it says: libraries keep what they prepare for a shape by the number of threads, too. Null: there is no
// row to run. Errors as the first half of RunWarmUps.
absl::StatusOr<model::IdleJob> WarmUpAtLatency(const WarmUpTask& task, const model::LatencyInfo& latency);

}  // namespace torchferry::libtorch
