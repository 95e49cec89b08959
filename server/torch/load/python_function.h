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

// Notes for the user about a file that compiles.
using ForwardNotes = std::vector<std::string>;

// The function "torch.nn.functional.unfold" or the method "torch.Tensor.norm", whose first argument is the tensor. Null
// for a name that Python does not have, or that the prelude does not define: the operator is meant then. `notes` may be
// null.
std::shared_ptr<torch::jit::SugaredValue> FindPythonFunction(std::string_view python_name,
                                                             const std::shared_ptr<PythonPrelude>& prelude,
                                                             ForwardNotes* notes);

}  // namespace torchferry::libtorch
