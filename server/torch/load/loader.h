// LibTorch as a runtime: loads a version's files into a model that can be served. No LibTorch type appears here.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/plan/model_loader.h"

namespace torchferry::libtorch {

// The server's settings for tuning, where a configuration has none.
struct TuningOptions {
  bool is_on = false;
  bool is_deterministic = false;  // true: no tuning, whatever a configuration says
  double budget_seconds = 10;
  int processors = 1;          // that all workers together may use
  bool tunes_threads = false;  // whether a model may have more threads for an operator than `intra_op_threads`
  std::string processor;       // a result is kept by it; see HostInfo
  uint64_t memory_bytes = 0;   // that the host has; 0: unknown
  std::function<bool()> is_stopping = nullptr;  // the server is stopping: a search ends, too. Null: never
};

struct LoadOptions {
  int intra_op_threads = 1;  // of an operator while a version is loaded
  TuningOptions tuning = {};
  // Called for each device that failed while a version was placed on it, with the error. May be null.
  std::function<void(const tensor::DeviceId&, const absl::Status&)> on_device_fault = nullptr;
  // Called once for each placement of a model, with the result of its golden rows. May be null.
  std::function<void(const std::string& model, const model::ParityInfo&)> on_parity = nullptr;
};

// Loads TorchScript archives, torch.export programs, and each kind of state_dict with its architecture. It reads,
// checks, compiles, places and warms up. LoadedModel::place places the model on other devices. Where the weights are
// small or the configuration asks for it, the model is placed on the CPU ahead of need. The module then stays in the
// host's memory. Each decision is in LoadedModel::info.decisions. Errors are those of ModelLoader::Load. DATA_LOSS also
// for code that reaches outside. FAILED_PRECONDITION where an architecture is missing, or the device is absent with
// `fallback: NONE`.
std::unique_ptr<plan::ModelLoader> MakeTorchLoader(LoadOptions options);

// Writes the model that the loader would serve as one TorchScript archive. The errors are the same. UNAVAILABLE when
// the archive cannot be written.
absl::Status ExportTorchScript(const plan::LoadRequest& request, const std::string& output_path);

}  // namespace torchferry::libtorch
