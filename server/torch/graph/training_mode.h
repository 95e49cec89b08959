// A module that was saved in training mode computes as in training wherever a constant in its code says so. A trace has
// recorded such constants, and eval() does not change them.
#pragma once

#include <torch/script.h>

#include <string>
#include <vector>

namespace torchferry::libtorch {

// Makes `module` and its submodules compute as in eval mode. It calls Module::eval, and edits the code of those that
// were saved in training mode. There each argument `train` or `training` of an operator becomes false, and each
// `dropout_p` 0. A batch norm without running statistics keeps its argument. Must be called before the module's code
// has run. Returns a sentence where code changed. Returns another sentence where code of a module that was saved in
// eval mode trains by a constant. That was meant, and its answers may be random. The same sentence names bernoulli
// where a module that was saved in training mode calls it. Throws what LibTorch throws.
std::vector<std::string> MakeInferenceMode(torch::jit::Module& module);

}  // namespace torchferry::libtorch
