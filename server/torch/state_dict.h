// Modules from a state_dict: made from its keys for a forward.py, or an architecture's own, filled.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <map>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"

namespace torchferry {

// Every tensor of the checkpoint, in memory of its own on the CPU. Those that share a storage in the file share one here.
absl::StatusOr<std::map<std::string, at::Tensor>> ReadTensors(const Checkpoint& checkpoint);

// "conv1.weight" becomes the parameter `weight` of the submodule `conv1`: floating tensors are parameters, the rest buffers.
// INVALID_ARGUMENT when a key names both a tensor and a module, or has an empty part.
absl::StatusOr<torch::jit::Module> ModuleFromKeys(const std::map<std::string, at::Tensor>& tensors);

// Copies the tensors into the module's parameters and buffers of the same names. Casts to the module's dtype as PyTorch's
// load_state_dict does. With `strict`, missing parameters and unexpected keys are INVALID_ARGUMENT and listed; a shape that
// differs always is. A buffer that the state_dict lacks keeps the architecture's own value, since whether it was saved
// (`persistent`) is not known. `decisions` gets a sentence for whatever was cast, kept or ignored.
absl::Status FillModule(torch::jit::Module& module, const std::map<std::string, at::Tensor>& tensors, bool strict,
                        const std::string& file, std::vector<std::string>& decisions);

}  // namespace torchferry
