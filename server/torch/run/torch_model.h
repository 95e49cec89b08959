// A TorchScript module on one device, as a Model.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <memory>
#include <optional>

#include "server/model/model.h"
#include "server/torch/graph/code_owner.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/graph/stateful.h"
#include "server/torch/run/precision_border.h"

namespace torchferry::libtorch {

// `module` is in eval mode and on `device`; `border` has the casts of its types, and `code` owns its functions. With a
// `state` the model is stateful. `module` is then copied once, so that a module that cannot be copied fails here.
// Throws what LibTorch throws.
std::shared_ptr<model::Model> MakeTorchModel(torch::jit::Module module, ModelSignature signature,
                                             tensor::DeviceId device, std::optional<ModuleState> state = std::nullopt,
                                             PrecisionBorder border = {}, CodeOwner code = {});

}  // namespace torchferry::libtorch
