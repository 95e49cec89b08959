// Runs TorchScript with all that it forks on the calling thread.
#pragma once

#include <ATen/core/function.h>

namespace torchferry::libtorch {

// Returns the result of `function` for the arguments in `stack`. torch.jit.fork runs its function at once. LibTorch
// would run it on threads that all models share, where it may go on for ever after the caller has its answer. Throws
// what the function raises.
c10::IValue RunInline(torch::jit::Function& function, torch::jit::Stack stack);

}  // namespace torchferry::libtorch
