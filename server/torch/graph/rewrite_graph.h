// Changes the device and the element types that a graph was saved with to those that its module is to run in.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites `graph`, with nested blocks and forks, by the argument types in the operators' schemas: constants (here),
// devices (rewrite_devices.h) and element types (rewrite_dtypes.h). Changes are added to `rewritten`. Throws what
// LibTorch throws.
void RewriteGraph(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
