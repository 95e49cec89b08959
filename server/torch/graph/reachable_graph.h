// What a call of `forward` may run, in one graph.
#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include <functional>
#include <memory>

namespace torchferry::libtorch {

// A copy of `forward` in eval mode for analyses, never to be run: calls and forks inlined, what
// only training runs cut out, and tensor inputs copied first, so that an alias of an input is none
// of anything else. What cannot be inlined, a call through an interface say, stays a call. Throws
// what LibTorch throws.
std::shared_ptr<torch::jit::Graph> ReachableGraph(const torch::jit::Module& module);

// Nested blocks too, each after the node that holds it.
void ForEachNode(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit);

// Whether it is a module, and no other object.
bool IsModule(const torch::jit::Value* value);

bool IsTensor(const torch::jit::Value* value);

}  // namespace torchferry::libtorch
