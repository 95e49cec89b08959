// What a few rows tell of a version before it serves: whether its answers are what the config declares, and whether
// requests may share a forward pass.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"

namespace torchferry::libtorch {

struct RowFindings {
  // Of two rows that run together, each is answered as alone, as far as anyone can tell.
  bool shares_forward_passes = true;
  // Of outputs, by their index in the signature, whose declared shape the model does not give: what it gives.
  std::vector<std::pair<size_t, tensor::Shape>> output_shapes;
};

// Runs the first request of model_warmup, or `example` if it is not null, or where every input is declared a generated
// row; and where requests would
// share forward passes two generated rows, each alone and both together, unless `is_random`. A model that raises is
// left to RunWarmUps. What is found is in `info.warnings`. A stateful model runs on a copy. FAILED_PRECONDITION when
// the answer contradicts the config in what no request's values change: an output's type, an output that is not there,
// a dimension 0 that is not the rows, a tensor that has no form on the wire; the message has the way out.
// RESOURCE_EXHAUSTED and UNAVAILABLE are the device's.
absl::StatusOr<RowFindings> TryRows(model::Model& model, const config::ModelConfig& config,
                                    const base::StoreFolder& folder, bool is_random, model::ModelInfo& info,
                                    const tensor::BoundInputs* example = nullptr);

}  // namespace torchferry::libtorch
