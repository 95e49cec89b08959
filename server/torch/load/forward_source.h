// forward.py: a model's forward pass in TorchScript's language, compiled against modules made from a state_dict's keys.
// The page server/docs/guide/forward.md describes the supported subset.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include "server/plan/module_tree.h"
#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// Compiles the file of `tree` (plan/forward_layers.h) onto `module`, which ModuleFromKeys made with ModulePaths.
// INVALID_ARGUMENT "FILE:LINE:COLUMN: what is wrong, what to write instead" for what does not compile, and when there
// is no `forward`. No code of the file runs here. Notes for the user about a file that compiles are logged as warnings,
// and added to `notes` where that is not null.
absl::Status DefineForward(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes* notes = nullptr);

}  // namespace torchferry::libtorch
