// Methods of tensors: methods that Python computes (`x.norm()` does not call an operator), and operators with Python's
// numbers and names of parameters.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <functional>
#include <memory>
#include <string>

#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// Where tensors may have a method `norm`, `value.norm(2)` becomes a call of a name that no code can write, with `value`
// in front. Modules and namespaces, as `is_namespace` tells, keep their own methods. Source positions stay.
torch::jit::TreeRef NamePythonMethods(const torch::jit::TreeRef& tree,
                                      const std::function<bool(const torch::jit::TreeRef& value)>& is_namespace);

// The meaning of such a name: for a tensor Python's function, or else the operator; for any other value its own method.
// Null for other names.
std::shared_ptr<torch::jit::SugaredValue> FindPythonMethod(const std::string& name,
                                                           const std::shared_ptr<PythonPrelude>& prelude,
                                                           ForwardNotes* notes);

}  // namespace torchferry::libtorch
