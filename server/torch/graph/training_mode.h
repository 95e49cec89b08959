// A module that was saved in training mode computes as in training wherever its code says so by a constant: a trace
// has written down what it saw, and eval() does not reach that.
#pragma once

#include <torch/script.h>

#include <string>
#include <vector>

namespace torchferry::libtorch {

// Makes `module`, and those in it, compute as in eval mode: as Module::eval, and in the code of those that were saved
// in training mode each argument that operators call `train` or `training` becomes false, and each `dropout_p` 0. A
// batch norm that has no running statistics keeps its own. Before its code has run. Gives a sentence where that changed
// something, and one where code of a module that was saved in eval mode trains by a constant: that was meant, and its
// answers may be random. Throws what LibTorch throws.
std::vector<std::string> MakeInferenceMode(torch::jit::Module& module);

}  // namespace torchferry::libtorch
