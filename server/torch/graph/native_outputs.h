// Finds the outputs that a module itself gives in an element type, without a cast of its weights.
#pragma once

#include <torch/script.h>

#include <vector>

#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// For each of `forward`'s outputs: whether it is of `type` in `module` as it was saved, before any weight was cast. The
// order is that of forward's tuple, list or dict. The answer follows from the types of the weights, of the inputs that
// the config declares, and of the casts in the code. An input that is not declared counts as one of another type. The
// result is shorter where the code does not tell the number of outputs.
std::vector<bool> NativeOutputs(const torch::jit::Module& module, const ModelSignature& signature, at::ScalarType type);

}  // namespace torchferry::libtorch
