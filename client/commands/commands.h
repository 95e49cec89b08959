// What the CLI can do: each command calls, prints what it got and says how the process should end.
// A Status that is not OK is printed by the caller.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/bench/bench_options.h"
#include "client/commands/exit_code.h"
#include "client/inspect/inspection.h"
#include "client/rpc/connection.h"
#include "client/text/console.h"

namespace torchferry::client {

struct PredictOptions {
  std::string model;                 // MODEL[:VERSION]
  std::vector<std::string> inputs;   // NAME[:DTYPE]=VALUE
  std::vector<std::string> outputs;  // those wanted; empty: all
  std::vector<std::string> save;     // NAME=FILE.npy
  std::string request_id;
  std::optional<uint64_t> seed;  // of `random`
  bool stream = false;           // PredictStream instead
};

struct HealthOptions {
  std::string model;      // empty: the server's readiness
  bool liveness = false;  // the process instead
  bool watch = false;
};

struct InspectCommandOptions {
  std::vector<std::string> files;
  InspectOptions inspect;
  bool scaffold = false;  // print a forward.py to start from, and nothing else
};

absl::StatusOr<ExitCode> Predict(const PredictOptions& options, Connection& connection, const Console& console);

// One request for each step along the inputs' first dimension, over one stream; a line for each
// answer as it comes. A step's error is shown and the stream goes on; the exit code is the first
// one's.
absl::StatusOr<ExitCode> PredictStream(const PredictOptions& options, Connection& connection, const Console& console);

// Puts the model under load, step by step, and shows what came of it. The exit code is that of the first request that
// failed. Ends early, with what there is and the error, when the server goes away; likewise, without an error, at
// Ctrl-C.
absl::StatusOr<ExitCode> Bench(const BenchOptions& options, Connection& connection, const Console& console);

absl::StatusOr<ExitCode> ListModels(Connection& connection, const Console& console);

// `model` is NAME[:VERSION].
absl::StatusOr<ExitCode> ShowModel(const std::string& model, Connection& connection, const Console& console);

// Each model: what the store has now, or the versions that are named. `models` are NAME[:VERSION]; INVALID_ARGUMENT
// when a model is named both with a version and without. The first error ends it; what came before is shown.
absl::StatusOr<ExitCode> LoadModels(const std::vector<std::string>& models, Connection& connection,
                                    const Console& console);

// Likewise; returns when they have ended.
absl::StatusOr<ExitCode> UnloadModels(const std::vector<std::string>& models, Connection& connection,
                                      const Console& console);

// Needs no server. kNotServable when one of the files cannot be served; the others are shown all the same.
absl::StatusOr<ExitCode> InspectFiles(const InspectCommandOptions& options, const Console& console);

// kNotServing for anything but SERVING.
absl::StatusOr<ExitCode> Health(const HealthOptions& options, Connection& connection, const Console& console);

}  // namespace torchferry::client
