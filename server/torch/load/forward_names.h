// The meaning of names in a forward.py: the torch namespaces.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// torch.X and F.X mean what Python means by them (python_function.h): a Python function, or else the ATen operator X.
// The name torch.ops.aten.X is the operator itself. Names such as torch.float32 are dtypes, and math.X is the scalar
// operator or constant. `names` as ReadImports gives them; "torch", "F" and "math" are known without an import too.
// `prelude` belongs to the compilation unit that the code is compiled into. `notes` must outlive the compilation.
torch::jit::ResolverPtr MakeForwardResolver(const std::map<std::string, std::string>& names,
                                            std::shared_ptr<PythonPrelude> prelude, ForwardNotes* notes);

// Whether `tree` is not a value with tensor methods: it is a module of `self` (may be null), or a name in or below
// `names`.
bool IsNamespace(const torch::jit::TreeRef& tree, const c10::ClassType* self,
                 const std::map<std::string, std::string>& names);

// Advice on what to write instead, for errors whose text says little to a PyTorch user. Empty when there is nothing to
// add.
std::string HintFor(std::string_view message);

}  // namespace torchferry::libtorch
