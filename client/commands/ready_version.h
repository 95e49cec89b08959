// Finds the version of a model that will answer.
#pragma once

#include <absl/status/statusor.h>

#include "client/commands/model_ref.h"
#include "client/rpc/connection.h"

namespace torchferry::client {

// The newest READY version. Otherwise the server's error; for a version that failed, with its reason.
absl::StatusOr<v1::ModelVersion> FindReadyVersion(const ModelRef& ref, Connection& connection);

}  // namespace torchferry::client
