// Hooks that a scripted module was saved with. LibTorch keeps them and calls the hooks of submodules. The caller of the
// loaded module must run that module's own hooks.
#pragma once

#include <torch/script.h>

#include <string>

namespace torchferry::libtorch {

// `module` itself where it has no hooks of its own. Otherwise a module that holds it as "model", with a `forward` of
// the same arguments. This `forward` runs the pre-hooks, the original `forward` and the hooks as PyTorch does. A
// pre-hook may replace the arguments, a hook the result. Throws what LibTorch throws.
torch::jit::Module WithHooks(const torch::jit::Module& module);

// A module that holds `module` as "model". Its `forward` calls the method `name` of `module` with the same arguments.
// `module` must have that method. Throws what LibTorch throws.
torch::jit::Module CallingMethod(const torch::jit::Module& module, const std::string& name);

}  // namespace torchferry::libtorch
