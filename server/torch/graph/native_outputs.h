// Which outputs a module gives in an element type of its own accord.
#pragma once

#include <torch/script.h>

#include <vector>

#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// For each of `forward`'s outputs, in the order of its tuple, list or dict, whether it is of `type` as `module` was
// saved, before any weight was cast: by the types of the weights it is computed from, of the inputs that the config
// declares, and of the casts in the code. An input that is not declared has another type. Shorter where the code does
// not say how many there are.
std::vector<bool> NativeOutputs(const torch::jit::Module& module, const ModelSignature& signature, at::ScalarType type);

}  // namespace torchferry::libtorch
