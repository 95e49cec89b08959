// Copies of a module that share what no call writes.
#pragma once

#include <torch/script.h>

#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

// A module of the same type with attributes, lists, dicts and objects of its own. Of the tensors it
// has copies of those that `state` says may be written, and of those that share memory with one of
// them; the others are `module`'s own. What was one tensor, one list or one memory stays one.
// Throws what LibTorch throws.
torch::jit::Module CopyModule(const torch::jit::Module& module, const ModuleState& state);

}  // namespace torchferry::libtorch
