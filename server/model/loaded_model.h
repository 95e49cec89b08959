// The result of loading a version: the model, and the facts about its file and its placement.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/model/idle_job.h"
#include "server/model/model.h"
#include "server/model/parity.h"
#include "server/model/pass_memory.h"
#include "server/model/provenance.h"
#include "server/tensor/device_id.h"
#include "server/tensor/fallback_reason.h"

namespace torchferry::model {

// The fastest way to answer a small batch while processors are free, found by measuring.
struct LatencyInfo {
  std::string variant;
  int intra_op_threads = 1;
  int64_t max_rows = 1;           // of a small batch
  double seconds = 0;             // for one row, run this way
  double throughput_seconds = 0;  // for one row, with TuningInfo's variant and threads
};

// How a model is run, found by measuring; see plan/tuning_search.h.
struct TuningInfo {
  std::string variant;
  int intra_op_threads = 1;
  int64_t batch_rows = 1;      // max rows of a batch: the throughput is highest with them
  double rows_per_second = 0;  // with batch_rows, on all of this host's processors
  // The simplest variant that was tried: "plain", unless the configuration leaves that out.
  std::string baseline;
  double baseline_rows_per_second = 0;  // its highest, of the row counts tried with it
  double deviation = 0;                 // of the outputs from the saved graph's, as a share of the largest magnitude
  bool is_kept = false;                 // found by an earlier load and read from the store
  bool is_final = true;  // false: the search was cut short or disturbed, and goes on while the server is idle
  // Nothing: small batches run as all others do.
  std::optional<LatencyInfo> latency = std::nullopt;
};

// A version's file and its placement, as GetModel shows them. `tuning`, `row_seconds` and `shares_forward_passes` also
// decide how batches run.
struct ModelInfo {
  std::string file_path;  // in the store
  std::string format;
  std::string producer;
  std::vector<std::string> saved_devices;
  std::vector<std::string> saved_dtypes;
  int64_t file_bytes = 0;
  // Lower-case hex. Empty while it is computed, which may outlast the loading of a large file. Null: unknown.
  std::function<std::string()> sha256;
  std::string architecture;    // path in the store; empty for TorchScript
  std::string state_dict_key;  // of a training checkpoint
  std::vector<std::string> removed_prefixes;
  std::string requested_device;  // "auto", "cuda:1"
  bool fallback = false;
  std::string fallback_from;  // "cuda:1"
  tensor::FallbackReason fallback_reason = tensor::FallbackReason::kNone;
  std::string precision;  // element types that the model computes in: "FP32"
  // Deviation from FP32, as a share of an output's largest magnitude. Nothing where the model computes in FP32 or could
  // not be tried.
  std::optional<double> precision_deviation;
  int rewritten_constants = 0;                   // devices, element types and tensors in its code
  std::optional<TuningInfo> tuning;              // nothing: not tuned
  std::shared_ptr<const Provenance> provenance;  // as its passport says; null: it says nothing
  // The golden rows' results of all placements, including later ones. Null: unknown.
  std::shared_ptr<const ParityRecord> parity;
  // Counts only tensors of LibTorch's allocators: memory that its libraries allocate themselves is not seen. Null:
  // unknown.
  std::shared_ptr<const PassMemory> pass_memory;
  double row_seconds = 0;  // of a batch of one row during warm-up; 0: unknown
  // Whether a batch may hold rows of several requests, where the configuration asks for that.
  bool shares_forward_passes = true;
  std::vector<std::string> decisions;
  // Warnings for the model's owner, one sentence each.
  std::vector<std::string> warnings;
};

// A model on one device, and the facts about this placement.
struct PlacedModel {
  std::shared_ptr<Model> model;
  ModelInfo info;
  std::shared_ptr<Model> small = nullptr;  // for batches at info.tuning->latency; null: `model` runs them
};

// A model that was loaded, before it is served.
struct LoadedModel {
  std::shared_ptr<Model> model;
  ModelInfo info;
  // Better devices that failed for a passing reason during loading, best first.
  std::vector<tensor::DeviceId> preferred_devices = {};
  // Devices where the model may run when `model`'s device fails, best first.
  std::vector<tensor::DeviceId> fallback_devices = {};
  // Places the model on one of these devices. May take long. Thread-safe: several placements may run at the same time.
  // Errors are those of loading. Null where there are no such devices.
  std::function<absl::StatusOr<PlacedModel>(const tensor::DeviceId&)> place = nullptr;
  // The one of `fallback_devices` on which the model is placed ahead of need.
  std::optional<tensor::DeviceId> standby = std::nullopt;
  std::shared_ptr<Model> small = nullptr;  // as PlacedModel::small
  // Work that is left to do once the model serves.
  std::vector<IdleJob> idle_jobs = {};
};

}  // namespace torchferry::model
