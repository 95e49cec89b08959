#include "server/torch/graph/deny_list.h"

#include <torch/csrc/jit/ir/ir.h>

#include "server/base/status.h"
#include "server/plan/code_scan.h"
#include "server/torch/graph/graph_walk.h"

namespace torchferry::libtorch {

absl::Status CheckGraphs(const torch::jit::Module& module) {
  return WalkGraphs(module, [](const torch::jit::Node& node, const std::string& method) {
    const std::string op = node.kind().toQualString();
    return plan::IsDeniedOperator(op) ? plan::DeniedCode(op, fmt::format("method {}", method)) : absl::OkStatus();
  });
}

}  // namespace torchferry::libtorch
