// The runs of a model before its first request: LibTorch compiles what it has seen run, and a device's libraries choose
// their kernels then.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
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

// Runs what `model_warmup` says; without it `example` if it is not null, else, where the configuration declares each
// input, a made-up row. Then, where
// requests share forward passes, once with each of the row counts that these will have; of a version that is not tuned,
// with those that are quick. A stateful model runs on a copy. Files are read from warmup/ in `folder`, the model's.
// Each run that was made is in `info.decisions`. A request of model_warmup that cannot be made or that the model
// refuses is an error, which names it: NOT_FOUND (its file), INVALID_ARGUMENT (it does not fit the model),
// FAILED_PRECONDITION (the model raised). An example that the model refuses is a warning. A made-up row may be one that
// the model refuses, which is noted and no error. RESOURCE_EXHAUSTED and UNAVAILABLE are the device's, of either.
absl::Status RunWarmUps(model::Model& model, const config::ModelConfig& config, const base::StoreFolder& folder,
                        model::ModelInfo& info, const tensor::BoundInputs* example = nullptr);

}  // namespace torchferry::libtorch
