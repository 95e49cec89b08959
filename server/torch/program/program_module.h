// A torch.export program as a module that runs like every other.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <cstddef>
#include <vector>

#include "server/checkpoint/exported_program.h"

namespace torchferry::libtorch {

// `module`, which holds the program's tensors by their keys, with the program's graph as its forward. This `forward`
// takes one argument for each input of the caller, a Tensor or an int, by the program's names. It returns those of
// program.outputs that `results` lists, as one tensor, or as a tuple in that order. A number becomes a tensor without
// dimensions: INT64, FP32 or BOOL. INVALID_ARGUMENT names the node that cannot be made and the reason. The code is not
// yet checked against the list of what a model may run (graph/model_code.h).
absl::StatusOr<torch::jit::Module> ModuleFromProgram(const checkpoint::ExportedProgram& program,
                                                     const std::vector<size_t>& results, torch::jit::Module module);

}  // namespace torchferry::libtorch
