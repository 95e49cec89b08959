// Hooks that a scripted module was saved with. LibTorch keeps them and calls those of submodules; those of the module
// that is loaded are left to whoever calls it.
#pragma once

#include <torch/script.h>

#include <string>

namespace torchferry::libtorch {

// `module` itself where it has no hooks of its own; else a module that holds it as "model" and whose `forward`, of the
// same arguments, runs the pre-hooks, `forward` and the hooks as PyTorch does: a pre-hook may replace the arguments, a
// hook the result. Throws what LibTorch throws.
torch::jit::Module WithHooks(const torch::jit::Module& module);

// A module that holds `module` as "model" and whose `forward`, of the same arguments, calls its method `name`, which it
// has. Throws what LibTorch throws.
torch::jit::Module CallingMethod(const torch::jit::Module& module, const std::string& name);

}  // namespace torchferry::libtorch
