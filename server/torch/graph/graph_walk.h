// Every operator that a module may run.
#pragma once

#include <absl/status/status.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include <cstddef>
#include <functional>
#include <string>

namespace torchferry::libtorch {

// Called with each node and the name of the method or function that it stands in. A status that is not OK ends the
// walk.
using NodeVisitor = std::function<absl::Status(const torch::jit::Node& node, const std::string& method)>;
using ClassVisitor = std::function<absl::Status(const c10::ClassType& type)>;

// Through every method, hook, getter and setter of `module`, of the classes of all values that it holds and of those
// that its code names: nested blocks, subgraphs (what `fork` calls), functions, constants. Each once, without
// recursion.
absl::Status WalkGraphs(const torch::jit::Module& module, const NodeVisitor& visit,
                        const ClassVisitor& visit_class = nullptr);

// The same from one function.
absl::Status WalkGraphs(torch::jit::Function& function, const NodeVisitor& visit,
                        const ClassVisitor& visit_class = nullptr);

// How many functions and methods of `module` call one another in a row, at most. What goes through an interface counts
// for nothing: LibTorch does not put it into the caller's graph.
size_t CallDepth(const torch::jit::Module& module);
size_t CallDepth(torch::jit::Function& function);

}  // namespace torchferry::libtorch
