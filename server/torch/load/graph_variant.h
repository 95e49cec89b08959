// The ways to prepare a module's graph. All compute the same, except for rounding.
#pragma once

#include <torch/script.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/torch/graph/code_owner.h"

namespace torchferry::libtorch {

// `module`, which is placed and in eval mode, prepared as `variant` says.
//   `plain`           The module as it is.
//   `frozen`          By torch::jit::freeze: weights are constants, and values that follow from them are computed now.
//   `inference`       By torch::jit::optimize_for_inference: frozen, with operators fused and handed to oneDNN.
//   `channels_last`   Frozen, with weights of four dimensions in that order: convolutions keep it from end to end.
// `module` stays as it is; weights that need no change are shared with it. A frozen module can no longer be moved.
// `code` gets the functions that are made, and must live as long as the result may run. Throws what LibTorch throws:
// not every module can be prepared.
torch::jit::Module PrepareGraph(const torch::jit::Module& module, std::string_view variant, CodeOwner& code);

// Whether the module has weights with four dimensions, for which channels_last makes a difference.
bool HasImageWeights(const torch::jit::Module& module);

// Whether the code that runs may depend on a tensor's values: the module has branches or loops, and reads numbers from
// tensors.
bool BranchesOnValues(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
