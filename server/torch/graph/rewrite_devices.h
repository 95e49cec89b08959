// What a graph says of devices, said of where its module is to run.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites constants that are devices, text that becomes one, x.cuda() and x.cpu(), and devices that are left out where
// a tensor is made; not devices in a constant list, tuple or dict. Tensors that an operator takes from the host alone,
// the lengths of packed sequences, are fetched there. What changed is added to `rewritten`. Throws what LibTorch
// throws.
void RewriteDevices(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
