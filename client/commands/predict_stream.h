// `predict --stream`.
#pragma once

#include <absl/status/statusor.h>

#include "client/commands/exit_code.h"
#include "client/commands/predict_options.h"
#include "client/rpc/connection.h"
#include "client/text/console.h"

namespace torchferry::client {

// One request for each step along the inputs' first dimension, over one stream; a line for each answer as it comes. A
// step's error is shown and the stream goes on; the exit code is the first one's.
absl::StatusOr<ExitCode> PredictStream(const PredictOptions& options, Connection& connection, const Console& console);

}  // namespace torchferry::client
