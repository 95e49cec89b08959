// Changes the element types that a graph names to those that its module is to compute in.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites ScalarType arguments that are cast, wherever they come from, and the types that code compares an element
// type with. It also rewrites the largest numbers of FP32, which a smaller type does not have. Changes are added to
// `rewritten`. Throws what LibTorch throws.
void RewriteDtypes(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
