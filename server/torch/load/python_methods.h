// Methods of tensors: those that Python computes (`x.norm()` is no operator's call), and operators with Python's
// numbers and names of parameters.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <functional>
#include <memory>
#include <string>

#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// `value.norm(2)` becomes the call of a name that no code can write, with `value` in front, where tensors may have a
// method `norm`. What `is_namespace` says is a module or a namespace keeps its own. Source positions stay.
torch::jit::TreeRef NamePythonMethods(const torch::jit::TreeRef& tree,
                                      const std::function<bool(const torch::jit::TreeRef& value)>& is_namespace);

// What such a name means: for a tensor Python's function, or else the operator; for any other value its own method.
// Null for another name.
std::shared_ptr<torch::jit::SugaredValue> FindPythonMethod(const std::string& name,
                                                           const std::shared_ptr<PythonPrelude>& prelude,
                                                           ForwardNotes* notes);

}  // namespace torchferry::libtorch
