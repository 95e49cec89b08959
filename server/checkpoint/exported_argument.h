// The inputs and outputs of a torch.export program's nodes: one tag of schema.Argument for each kind of value.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// `depth` is that of the graph with the value; the outermost has 0. DATA_LOSS: malformed. INVALID_ARGUMENT: an unknown
// tag, or an unknown number of an enumeration.
absl::StatusOr<GraphArgument> ReadArgument(const JsonValue& value, size_t depth);

// Reads {name}, or in older files the name itself.
absl::StatusOr<GraphArgument> ReadTensorName(const JsonValue& value);

}  // namespace torchferry::checkpoint
