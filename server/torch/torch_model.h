// A TorchScript module on one device, as a Model.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <memory>

#include "server/model/model.h"
#include "server/torch/model_signature.h"

namespace torchferry {

// `module` is in eval mode and on `device`.
std::shared_ptr<Model> MakeTorchModel(torch::jit::Module module, ModelSignature signature, DeviceId device);

}  // namespace torchferry
