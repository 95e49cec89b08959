// The signature of a torch.export program: what its graph's inputs and outputs are.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "server/checkpoint/exported_json.h"
#include "server/checkpoint/exported_program.h"

namespace torchferry::checkpoint {

struct ExportedSignature {
  std::vector<ProgramInput> inputs;
  std::vector<ProgramOutput> outputs;
  bool gives_one_tensor = false;
};

// Of schema.GraphModule, whose graph is `graph`. DATA_LOSS: malformed, or at odds with the graph. INVALID_ARGUMENT: a
// program that trains (losses, gradients, written parameters), TorchBind objects, tokens of side effects.
absl::StatusOr<ExportedSignature> ReadExportedSignature(const JsonValue& graph_module, const ExportedGraph& graph);

// Of schema.ExportedProgram.
absl::StatusOr<std::map<std::string, SizeRange>> ReadRanges(const JsonValue& program);

// A tensor's key in the weights. DATA_LOSS for what is no clean text of bounded length.
absl::StatusOr<std::string> ReadTensorKey(const std::string& text);

}  // namespace torchferry::checkpoint
