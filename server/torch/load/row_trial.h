// Tries a few rows of a version before it serves. They show whether its answers are as the config declares, and whether
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
  // Whether two rows that run together are answered as alone. True where this could not be tried.
  bool shares_forward_passes = true;
  // Outputs whose declared shape the model does not give: the index in the signature, and the shape to declare instead.
  // Sizes that may vary are kAnyDim there.
  std::vector<std::pair<size_t, tensor::Shape>> output_shapes;
};

// Runs the first request of model_warmup, or else `example` where it is not null, or else a generated row where every
// input is declared. Where requests would share forward passes, it also runs two generated rows, each alone and both
// together, unless `is_random`. A model that raises is left to RunWarmUps. Findings are added to `info.warnings`. A
// stateful model runs on a copy. FAILED_PRECONDITION when the answer contradicts the config in a way that no request's
// values change. These are an output's type, a missing output, a dimension 0 that is not the rows, and a tensor without
// a form on the wire. The message has the way out. RESOURCE_EXHAUSTED and UNAVAILABLE are the device's.
absl::StatusOr<RowFindings> TryRows(model::Model& model, const config::ModelConfig& config,
                                    const base::StoreFolder& folder, bool is_random, model::ModelInfo& info,
                                    const tensor::BoundInputs* example = nullptr);

}  // namespace torchferry::libtorch
