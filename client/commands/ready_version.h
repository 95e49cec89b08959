// The version of a model that will answer.
#pragma once

#include <absl/status/statusor.h>

#include "client/commands/model_ref.h"
#include "client/rpc/connection.h"

namespace torchferry::client {

// The newest READY one. The server's error otherwise, with the reason of a version that failed.
absl::StatusOr<v1::ModelVersion> FindReadyVersion(const ModelRef& ref, Connection& connection);

}  // namespace torchferry::client
