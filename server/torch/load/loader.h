// From a version's folder to a model that can be served. No LibTorch type shows here.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"

namespace torchferry::libtorch {

// What the server says of tuning, where a configuration does not.
struct TuningOptions {
  bool is_on = false;
  bool is_deterministic = false;  // not then, whatever a configuration says
  double budget_seconds = 10;
  int processors = 1;          // that all workers together may use
  bool tunes_threads = false;  // whether a model may have more threads for an operator than `intra_op_threads`
  std::string processor;       // by which a result is kept; see HostInfo
  uint64_t memory_bytes = 0;   // that the host has; 0: unknown
  std::function<bool()> is_stopping = nullptr;  // the server ends: a search ends, too. Null: never
};

struct LoadOptions {
  std::string store;  // the store's folder on this host
  plan::PlanContext host;
  int intra_op_threads = 1;  // of an operator while a version is loaded
  TuningOptions tuning = {};
  // Told of each device that failed while a version was placed on it, and how. Null: nobody wants to know.
  std::function<void(const tensor::DeviceId&, const absl::Status&)> on_device_fault = nullptr;
};

// Reads, checks, compiles, places, warms up. LoadedModel::place makes it on other devices; on the CPU ahead of need
// where the weights are small or the configuration asks for it, and the module stays in the host's memory then. Each
// decision is in LoadedModel::info.decisions. DATA_LOSS: damaged or hostile, code that reaches outside included.
// FAILED_PRECONDITION: something must be done first (an architecture is missing, the device is absent with `fallback:
// NONE`). INVALID_ARGUMENT: sound, but not servable as it is. RESOURCE_EXHAUSTED: no memory. Messages name the file by
// its path in the store.
absl::StatusOr<model::LoadedModel> LoadVersion(const LoadOptions& options, const std::string& model, int64_t version,
                                               const config::ModelConfig& config);

// Writes the model that LoadVersion would serve as one TorchScript archive. Same errors; UNAVAILABLE when it cannot be
// written.
absl::Status ExportTorchScript(const LoadOptions& options, const std::string& model, int64_t version,
                               const config::ModelConfig& config, const std::string& output_path);

}  // namespace torchferry::libtorch
