// LibTorch as a runtime: from a version's files to a model that can be served. No LibTorch type shows here.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/plan/model_loader.h"

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
  int intra_op_threads = 1;  // of an operator while a version is loaded
  TuningOptions tuning = {};
  // Told of each device that failed while a version was placed on it, and how. Null: nobody wants to know.
  std::function<void(const tensor::DeviceId&, const absl::Status&)> on_device_fault = nullptr;
  // Told what golden rows said of a placement of a model, once for each. Null: nobody wants to know.
  std::function<void(const std::string& model, const model::ParityInfo&)> on_parity = nullptr;
};

// Loads TorchScript archives, and each kind of state_dict with its architecture. Reads, checks, compiles, places, warms
// up. LoadedModel::place makes the model on other devices; on the CPU ahead of need where the weights are small or the
// configuration asks for it, and the module stays in the host's memory then. Each decision is in
// LoadedModel::info.decisions. Errors as ModelLoader::Load says: DATA_LOSS for code that reaches outside, too;
// FAILED_PRECONDITION where an architecture is missing, or the device is absent with `fallback: NONE`.
std::unique_ptr<plan::ModelLoader> MakeTorchLoader(LoadOptions options);

// Writes the model that the loader would serve as one TorchScript archive. Same errors; UNAVAILABLE when it cannot be
// written.
absl::Status ExportTorchScript(const plan::LoadRequest& request, const std::string& output_path);

}  // namespace torchferry::libtorch
