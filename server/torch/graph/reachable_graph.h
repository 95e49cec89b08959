// All that a call of `forward` may run, in one graph.
#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include <functional>
#include <memory>

namespace torchferry::libtorch {

// A copy of `forward` in eval mode, only for analysis: it never runs. Calls and forks are inlined, and code that only
// training runs is cut out. Tensor inputs are copied first, so that an alias of an input aliases nothing else. A call
// that cannot be inlined, such as one through an interface, stays a call. Throws what LibTorch throws.
std::shared_ptr<torch::jit::Graph> ReachableGraph(const torch::jit::Module& module);

// Visits nested blocks too, each after the node that holds it.
void ForEachNode(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit);

// Whether the value is a module, and not another object.
bool IsModule(const torch::jit::Value* value);

bool IsTensor(const torch::jit::Value* value);

}  // namespace torchferry::libtorch
