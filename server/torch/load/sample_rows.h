// Requests to try a model with before it serves.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/tensor/signature.h"

namespace torchferry::libtorch {

// Requests of one row each, of the sizes that the model will see. They are the first request of model_warmup, or else
// `example` where it is not null. Otherwise, where every size is declared, they are `count` generated rows, or fewer
// because of their bytes. FAILED_PRECONDITION with the reason where there are no such rows. `folder` is the model's on
// this host.
absl::StatusOr<std::vector<tensor::BoundInputs>> SampleRows(const tensor::Signature& signature,
                                                            const config::ModelConfig& config,
                                                            const base::StoreFolder& folder, int count,
                                                            const tensor::BoundInputs* example = nullptr);

}  // namespace torchferry::libtorch
