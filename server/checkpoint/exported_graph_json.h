// schema.Graph as an ExportedGraph.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// `depth`: 0 for the outermost graph. DATA_LOSS: malformed, or graphs that nest deeper than limits.h allows.
// INVALID_ARGUMENT: kinds of argument and numbers of enumerations that are not known. Whether a node uses what
// others before it gave is not looked at.
absl::StatusOr<ExportedGraph> ReadGraph(const JsonValue& value, size_t depth);

// schema.TensorMeta without strides and offset.
absl::StatusOr<ExportedTensor> ReadTensorMeta(const JsonValue& value);

}  // namespace torchferry::checkpoint
