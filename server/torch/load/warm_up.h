// Runs a model before its first request, because LibTorch compiles during the first runs, and a device's libraries
// choose their kernels then.
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

// The model to run, and its inputs.
struct WarmUpTask {
  const std::shared_ptr<model::Model>& model;
  const config::ModelConfig& config;
  const base::StoreFolder& folder;               // the model's; files are read from warmup/ in it
  const tensor::BoundInputs* example = nullptr;  // a row that the model is known to run on; null: none
};

// Called before the version serves. Runs the requests of `model_warmup`. Without these it runs the example, or else a
// generated row where the configuration declares each input. It omits that run where a kept result of tuning was
// compared on a row. Where requests share forward passes, it then runs batches of ascending row counts, as many as a
// short time allows. A stateful model runs on a copy.
//
// Returns a job for the remaining row counts where the version is tuned. Each piece runs one row count, on as many
// threads as batches have. Null: nothing is left. The best size of batches is unknown for a version that is not tuned.
//
// Each run that was made is in `info.decisions`. A request of model_warmup that cannot be made or that the model
// refuses is an error that names it. NOT_FOUND: its file is missing. INVALID_ARGUMENT: it does not fit the model.
// FAILED_PRECONDITION: the model raised. An example that the model refuses is a warning. A generated row that the model
// refuses is noted in `info` and is not an error. RESOURCE_EXHAUSTED and UNAVAILABLE are the device's, for all of
// these.
absl::StatusOr<model::IdleJob> RunWarmUps(const WarmUpTask& task, model::ModelInfo& info);

// A job that runs `task.model`, which small batches run on, with each number of rows that `latency` allows. It uses the
// threads of `latency`: libraries keep their preparations for a shape by the number of threads, too. Null: there is no
// row to run. Errors as WarmUpRequest.
absl::StatusOr<model::IdleJob> WarmUpAtLatency(const WarmUpTask& task, const model::LatencyInfo& latency);

}  // namespace torchferry::libtorch
