// `predict --stream`.
#pragma once

#include <absl/status/statusor.h>

#include "client/commands/exit_code.h"
#include "client/commands/predict_options.h"
#include "client/rpc/connection.h"
#include "client/text/console.h"

namespace torchferry::client {

// Sends one request for each step along the inputs' first dimension, over one stream. Prints a line for each answer as
// it arrives. After a step's error, which is shown, the stream goes on. The exit code is that of the first error.
absl::StatusOr<ExitCode> PredictStream(const PredictOptions& options, Connection& connection, const Console& console);

}  // namespace torchferry::client
