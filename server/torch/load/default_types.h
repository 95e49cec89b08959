// Types of parameters as their default values say them.
#pragma once

#include <torch/csrc/jit/frontend/tree_views.h>

namespace torchferry::libtorch {

// In TorchScript a parameter without a type is a Tensor. Where its default is None it is made Optional[Tensor], where
// that is a number, text, True or False it gets that type; a Tensor with the default None is made Optional, too.
torch::jit::Def WithTypesOfDefaults(const torch::jit::Def& def);

}  // namespace torchferry::libtorch
