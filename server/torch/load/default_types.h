// Types of parameters, taken from their default values.
#pragma once

#include <torch/csrc/jit/frontend/tree_views.h>

namespace torchferry::libtorch {

// In TorchScript a parameter without a type is a Tensor. With the default None it becomes Optional[Tensor]. With a
// number, text, True or False as default it gets the default's type. A parameter of type Tensor with the default None
// becomes Optional, too.
torch::jit::Def WithTypesOfDefaults(const torch::jit::Def& def);

}  // namespace torchferry::libtorch
