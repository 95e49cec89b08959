// What the CLI can do: each command calls, prints what it got and says how the process should end.
// A Status that is not OK is printed by the caller.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/errors.h"
#include "client/inspect/inspection.h"
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

struct BenchOptions {
  std::string model;                  // MODEL[:VERSION]
  std::vector<std::string> inputs;    // NAME[:DTYPE]=VALUE; those left out are made up
  std::vector<std::string> shapes;    // NAME:3,224,224, without the batch dimension
  std::optional<int64_t> rows;        // of a made-up input; absent: 1
  std::string concurrency;            // "1,4,16"; empty: 1, unless there is a rate
  std::string rate;                   // "100,200", a second
  std::string arrivals = "constant";  // or "poisson"
  int64_t max_outstanding = 10000;
  double duration_seconds = 5;  // of each step
  double warm_up_seconds = 1;   // before it
  int64_t connections = 1;
  int64_t threads = 1;           // that wait for answers; the connections are spread over them
  std::optional<uint64_t> seed;  // of made-up inputs and of poisson
  bool histogram = false;        // drawn for each step and not just for the last
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
