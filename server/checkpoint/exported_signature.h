// The signature of a torch.export program: the meaning of its graph's inputs and outputs.
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

// Reads it from schema.GraphModule, whose graph is `graph`. DATA_LOSS: malformed, or it contradicts the graph.
// INVALID_ARGUMENT: a program that trains (losses, gradients, written parameters), TorchBind objects, or tokens of side
// effects.
absl::StatusOr<ExportedSignature> ReadExportedSignature(const JsonValue& graph_module, const ExportedGraph& graph);

// Reads the ranges from schema.ExportedProgram.
absl::StatusOr<std::map<std::string, SizeRange>> ReadRanges(const JsonValue& program);

// A tensor's key in the weights. DATA_LOSS for a text that is not clean or too long.
absl::StatusOr<std::string> ReadTensorKey(const std::string& text);

}  // namespace torchferry::checkpoint
