// What a graph says of element types, said of those that its module is to compute in.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites arguments of type ScalarType that are cast, wherever they come from; what an element type is compared with;
// and the largest numbers of FP32, which a smaller type does not have. What changed is added to `rewritten`. Throws
// what LibTorch throws.
void RewriteDtypes(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
