// Copies of a module that share the tensors that no call writes.
#pragma once

#include <torch/script.h>

#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

// A module of the same type with attributes, lists, dicts and objects of its own. It copies the tensors that `state`
// says may be written, and those that share memory with one of them. The other tensors are `module`'s own. A tensor,
// list or memory that has several references in `module` is one object in the copy, too. Throws what LibTorch throws.
torch::jit::Module CopyModule(const torch::jit::Module& module, const ModuleState& state);

}  // namespace torchferry::libtorch
