// Requests to try a model with before it serves.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/tensor/signature.h"

namespace torchferry::libtorch {

// Requests of one row each, of the sizes that the model will see: the first of model_warmup, or `example` if it is not
// null, or, where every size is declared, `count` generated ones, or fewer for their bytes. FAILED_PRECONDITION where
// neither is there, with the reason. `folder` is the model's on this host.
absl::StatusOr<std::vector<tensor::BoundInputs>> SampleRows(const tensor::Signature& signature,
                                                            const config::ModelConfig& config,
                                                            const base::StoreFolder& folder, int count,
                                                            const tensor::BoundInputs* example = nullptr);

}  // namespace torchferry::libtorch
