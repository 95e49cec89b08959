// Every operator that a module may run.
#pragma once

#include <absl/status/status.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include <functional>
#include <string>

namespace torchferry::libtorch {

// Called with each node and the name of the method or function that it stands in. A status that is not OK ends the
// walk.
using NodeVisitor = std::function<absl::Status(const torch::jit::Node& node, const std::string& method)>;

// Depth first through every method and hook of `module` and its submodules, nested blocks, and the functions and
// classes that they use; each once.
absl::Status WalkGraphs(const torch::jit::Module& module, const NodeVisitor& visit);

}  // namespace torchferry::libtorch
