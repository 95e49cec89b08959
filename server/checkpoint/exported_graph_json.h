// Reads schema.Graph as an ExportedGraph.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// `depth` is 0 for the outermost graph. DATA_LOSS: malformed, or graphs that nest deeper than limits.h allows.
// INVALID_ARGUMENT: unknown kinds of argument, or unknown numbers of enumerations. It does not check whether the inputs
// of a node are outputs of earlier nodes.
absl::StatusOr<ExportedGraph> ReadGraph(const JsonValue& value, size_t depth);

// Reads schema.TensorMeta without strides and offset.
absl::StatusOr<ExportedTensor> ReadTensorMeta(const JsonValue& value);

}  // namespace torchferry::checkpoint
