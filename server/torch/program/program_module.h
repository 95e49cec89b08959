// A torch.export program as a module that runs like every other.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <cstddef>
#include <vector>

#include "server/checkpoint/exported_program.h"

namespace torchferry::libtorch {

// `module`, which holds the program's tensors by their keys, with the program's graph as its forward. It takes one
// argument for each input of the caller, a Tensor or an int, by the program's names; and gives those of
// program.outputs that `results` names, as one tensor or a tuple of them in that order. A number becomes a tensor
// without dimensions: INT64, FP32 or BOOL.
// INVALID_ARGUMENT naming the node and the reason for what cannot be made. The code has not been held against the list
// of what a model may run (graph/model_code.h).
absl::StatusOr<torch::jit::Module> ModuleFromProgram(const checkpoint::ExportedProgram& program,
                                                     const std::vector<size_t>& results, torch::jit::Module module);

}  // namespace torchferry::libtorch
