// Finds inputs whose rows are not in dimension 0, by the code.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string>

#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// Whether `module` calls an operator whose rows may be in another dimension. Only then is a graph needed.
bool HasRecurrentOperators(const torch::jit::Module& module);

// PyTorch's recurrent operators have the rows of the hidden state in dimension 1, and those of the sequence too where
// `batch_first` is false. Inputs that reach them unchanged get row_dimension 1 in `signature`. A hidden state also gets
// the number of layers as its first size, where a constant gives it. `graph` is the module's ReachableGraph. Returns a
// sentence where it found such inputs; empty otherwise.
std::string FindRowDimensions(const torch::jit::Graph& graph, ModelSignature& signature);

}  // namespace torchferry::libtorch
