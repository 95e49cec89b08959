// Inputs whose rows are not in dimension 0, as the code tells.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string>

#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// Whether `module` calls an operator whose rows may be in another dimension: only then the graph is worth making.
bool HasRecurrentOperators(const torch::jit::Module& module);

// PyTorch's recurrent operators have the rows of the hidden state in dimension 1, and those of the sequence too where
// `batch_first` is false. Inputs that reach them as they came get that row_dimension in `signature`, and the number of
// layers as their first size where a constant says it. `graph` is the module's ReachableGraph. Gives a sentence where
// it found some; empty otherwise.
std::string FindRowDimensions(const torch::jit::Graph& graph, ModelSignature& signature);

}  // namespace torchferry::libtorch
