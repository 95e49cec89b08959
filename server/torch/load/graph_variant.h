// The ways to prepare a module's graph, all of which compute the same, but for rounding.
#pragma once

#include <torch/script.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/torch/graph/code_owner.h"

namespace torchferry::libtorch {

// `module`, which is placed and in eval mode, prepared as `variant` says:
//   plain           as it is
//   frozen          torch::jit::freeze: weights are constants, and what follows from them alone is computed now
//   inference       torch::jit::optimize_for_inference: that, and operators fused and handed to oneDNN
//   channels_last   weights with four dimensions in that order, frozen: convolutions then work so from end to end
// `module` stays as it is; weights that need no change are shared with it. What is frozen cannot be moved any more.
// `code` gets the functions that are made: it lives as long as the result may run. Throws what LibTorch throws, which
// not every module allows.
torch::jit::Module PrepareGraph(const torch::jit::Module& module, std::string_view variant, CodeOwner& code);

// Whether it has weights with four dimensions, for which channels_last makes a difference.
bool HasImageWeights(const torch::jit::Module& module);

// Whether what it runs may depend on a tensor's values: it has branches or loops, and reads numbers from tensors.
bool BranchesOnValues(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
