// Visits every operator that a module may run.
#pragma once

#include <absl/status/status.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include <cstddef>
#include <functional>
#include <string>

namespace torchferry::libtorch {

// Called with each node and the name of the method or function that has it. A status that is not OK ends the walk.
using NodeVisitor = std::function<absl::Status(const torch::jit::Node& node, const std::string& method)>;
using ClassVisitor = std::function<absl::Status(const c10::ClassType& type)>;

// Walks every method, hook, getter and setter of `module`, of the classes of its values, and of the classes that its
// code names. Nested blocks, subgraphs (run by `fork`), functions and constants are included. Each is visited once,
// without recursion.
absl::Status WalkGraphs(const torch::jit::Module& module, const NodeVisitor& visit,
                        const ClassVisitor& visit_class = nullptr);

// The same from one function.
absl::Status WalkGraphs(torch::jit::Function& function, const NodeVisitor& visit,
                        const ClassVisitor& visit_class = nullptr);

// The max depth of calls between functions and methods of `module`. Calls through an interface do not count: LibTorch
// does not put them into the caller's graph.
size_t CallDepth(const torch::jit::Module& module);
size_t CallDepth(torch::jit::Function& function);

}  // namespace torchferry::libtorch
