// forward.py: a model's forward pass in TorchScript's language, compiled against modules made from a state_dict's keys.
// The subset that is understood has a page of its own: server/docs/guide/forward.md.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include "server/plan/module_tree.h"
#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// Compiles the file of `tree` (plan/forward_layers.h) onto `module`, which ModuleFromKeys made with ModulePaths.
// INVALID_ARGUMENT "FILE:LINE:COLUMN: what is wrong, what to write instead" for what does not compile, and when there
// is no `forward`. Nothing runs here. What a user should know of a file that compiles is logged as a warning, and put
// into `notes` where that is not null.
absl::Status DefineForward(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes* notes = nullptr);

}  // namespace torchferry::libtorch
