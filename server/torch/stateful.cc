#include "server/torch/stateful.h"

#include "server/base/status.h"
#include "server/torch/graph_walk.h"

namespace torchferry {

absl::Status RefuseStateful(const torch::jit::Module& module, const std::string& file) {
  return WalkGraphs(module, [&](const torch::jit::Node& node, const std::string& method) {
    if (node.kind() != c10::prim::SetAttr || method.starts_with("__")) return absl::OkStatus();
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "{}: the module keeps state between calls ({} assigns self.{}), which is not served yet: clients would get each other's "
                      "state. Make the state an input and an output of forward",
                      file, method, node.s(c10::attr::name));
  });
}

}  // namespace torchferry
