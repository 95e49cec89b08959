// Modules from a state_dict: made from its keys for a forward.py, or an architecture's own, filled.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <map>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::libtorch {

// Tensors by the name that the module has for them.
using NamedTensors = std::map<std::string, at::Tensor>;

// Every tensor of the checkpoint, in memory of its own on the CPU. Tensors that share a storage in the file share one
// here. `names` has a name for each of checkpoint.tensors(); a tensor with an empty name is left out.
// RESOURCE_EXHAUSTED: out of memory. DATA_LOSS: bytes are missing.
absl::StatusOr<NamedTensors> ReadTensors(const checkpoint::Checkpoint& checkpoint,
                                         const std::vector<std::string>& names);

// "conv1.weight" becomes the parameter `weight` of the submodule `conv1`: floating tensors are parameters, the rest
// buffers. The names have passed plan/key_tree.h; INVALID_ARGUMENT for one that LibTorch does not take. `modules`:
// paths of modules to create ("features.1"), with tensors or without.
absl::StatusOr<torch::jit::Module> ModuleFromKeys(const NamedTensors& tensors,
                                                  const std::vector<std::string>& modules = {});

// Copies the checkpoint's tensors into the module's parameters and buffers of those names, one storage at a time, and
// casts as load_state_dict does. A name that the module does not have is skipped. A tensor of the module that `names`
// lacks keeps its value. plan/key_match.h decides which names may differ. INVALID_ARGUMENT for a shape that differs.
absl::Status FillModule(torch::jit::Module& module, const checkpoint::Checkpoint& checkpoint,
                        const std::vector<std::string>& names);

}  // namespace torchferry::libtorch
