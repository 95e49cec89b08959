// What a graph says of the device and the element types that its module was saved with, said of where the module is to
// run.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites `graph`, nested blocks and forks included, by what the operators' schemas say of their arguments: constants
// (here), devices (rewrite_devices.h) and element types (rewrite_dtypes.h). What changed is added to `rewritten`.
// Throws what LibTorch throws.
void RewriteGraph(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
