// Changes the devices that a graph names to the device where its module is to run.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Rewrites device constants, text that becomes a device, x.cuda() and x.cpu(), and devices that are left out where a
// tensor is made. Devices in a constant list, tuple or dict stay. Tensors that an operator takes only from the host,
// such as the lengths of packed sequences, are copied to the host. Changes are added to `rewritten`. Throws what
// LibTorch throws.
void RewriteDevices(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten);

}  // namespace torchferry::libtorch
