// Hooks that a scripted module was saved with. LibTorch keeps them and calls those of submodules; those of the module
// that is loaded are left to whoever calls it.
#pragma once

#include <torch/script.h>

namespace torchferry::libtorch {

// `module` itself where it has no hooks of its own; else a module that holds it as "model" and whose `forward`, of the
// same arguments, runs the pre-hooks, `forward` and the hooks as PyTorch does: a pre-hook may replace the arguments, a
// hook the result. Throws what LibTorch throws.
torch::jit::Module WithHooks(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
