// Runs TorchScript with all that it forks on the calling thread.
#pragma once

#include <ATen/core/function.h>

namespace torchferry::libtorch {

// What `function` returns for `stack`, its arguments. torch.jit.fork runs what it is given at once. LibTorch would give
// it to threads that all models share, where it may go on for ever after the caller has its answer. Throws what it
// raises.
c10::IValue RunInline(torch::jit::Function& function, torch::jit::Stack stack);

}  // namespace torchferry::libtorch
