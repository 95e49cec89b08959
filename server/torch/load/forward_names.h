// What names in a forward.py mean: the torch namespaces.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// torch.X and F.X mean what Python means by them (python_function.h): a function of Python's, or else the ATen operator
// X. torch.ops.aten.X is the operator itself. torch.float32 and its like are dtypes, math.X is the scalar operator or
// constant. `names` as ReadImports gives them; "torch", "F" and "math" are known without an import too. `prelude` is of
// the compilation unit that the code is compiled into. `notes` must live as long as code is compiled.
torch::jit::ResolverPtr MakeForwardResolver(const std::map<std::string, std::string>& names,
                                            std::shared_ptr<PythonPrelude> prelude, ForwardNotes* notes);

// Whether `tree` is no value, and so has no methods of a tensor: a module of `self` (null: there is none), or a name of
// `names` and what is below it.
bool IsNamespace(const torch::jit::TreeRef& tree, const c10::ClassType* self,
                 const std::map<std::string, std::string>& names);

// What to write instead, for errors whose text says little to a PyTorch user; empty when there is nothing to add.
std::string HintFor(std::string_view message);

}  // namespace torchferry::libtorch
