// What `predict` needs before it calls: the version that will answer, and its inputs.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/model_ref.h"
#include "client/tensor/array.h"

namespace torchferry::client {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

// The version that will answer: the newest READY one. The server's error otherwise, with the reason
// of a version that failed.
absl::StatusOr<v1::ModelVersion> FindReadyVersion(const ModelRef& ref, Connection& connection);

// The tensors of `options.inputs`, in order; what was done to them is noted on the console.
// ResolveInput's errors, and INVALID_ARGUMENT for an input that is given twice.
absl::StatusOr<NamedArrays> ResolveInputs(const PredictOptions& options, const v1::ModelVersion& model,
                                          const Console& console);

}  // namespace torchferry::client
