// Calls of PyTorch's functions with Python's parameters.
#pragma once

#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/torch/load/python_prelude.h"
#include "server/torch/load/python_signatures.h"

namespace torchferry::libtorch {

// What a user should know of a file that compiles.
using ForwardNotes = std::vector<std::string>;

// The function "torch.nn.functional.unfold" or the method "torch.Tensor.norm", whose first argument is the tensor. Null
// when Python does not compute it or the prelude has none: then it is the operator. `notes` may be null.
std::shared_ptr<torch::jit::SugaredValue> FindPythonFunction(std::string_view python_name,
                                                             const std::shared_ptr<PythonPrelude>& prelude,
                                                             ForwardNotes* notes);

}  // namespace torchferry::libtorch
