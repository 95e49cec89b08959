// What nodes of a torch.export program are given and give: one tag of schema.Argument for each kind of value.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// `depth`: of the graph that the value is in; the outermost has 0.
// DATA_LOSS: malformed. INVALID_ARGUMENT: a tag, or a number of an enumeration, that is not known.
absl::StatusOr<GraphArgument> ReadArgument(const JsonValue& value, size_t depth);

// Of {name}, or in older files the name itself.
absl::StatusOr<GraphArgument> ReadTensorName(const JsonValue& value);

}  // namespace torchferry::checkpoint
