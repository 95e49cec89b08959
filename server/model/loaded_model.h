// What loading a version gives: the model and the facts about its file and its placement.
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

// How a small batch is answered soonest while processors are free, where that was found by trying.
struct LatencyInfo {
  std::string variant;
  int intra_op_threads = 1;
  int64_t max_rows = 1;           // of such a batch
  double seconds = 0;             // that one row takes so
  double throughput_seconds = 0;  // that one row takes with TuningInfo's variant and threads
};

// How a model is run, where that was found by trying; see plan/tuning_search.h.
struct TuningInfo {
  std::string variant;
  int intra_op_threads = 1;
  int64_t batch_rows = 1;      // at which the throughput is highest: most that a batch should have
  double rows_per_second = 0;  // then, of this host's processors together
  std::string
      baseline;  // the simplest variant of those that were tried, "plain" unless the configuration leaves that out,
  double baseline_rows_per_second = 0;  // and what it reaches, of the row counts tried with it
  double deviation = 0;  // of the outputs from those of the graph as it was saved, of an output's largest magnitude
  bool is_kept = false;  // found before and read from the store
  bool is_final = true;  // false: the search was cut short or disturbed, and goes on while the server is idle
  // Nothing: small batches run as all others do.
  std::optional<LatencyInfo> latency = std::nullopt;
};

// A version's file and where it was put, as GetModel shows them. Plain facts, nothing decides by them.
struct ModelInfo {
  std::string file_path;  // in the store
  std::string format;
  std::string producer;
  std::vector<std::string> saved_devices;
  std::vector<std::string> saved_dtypes;
  int64_t file_bytes = 0;
  // Lower-case hex; empty while it is being computed, which may outlast the loading of a large file. Null: unknown.
  std::function<std::string()> sha256;
  std::string architecture;    // path in the store; empty for TorchScript
  std::string state_dict_key;  // of a training checkpoint
  std::vector<std::string> removed_prefixes;
  std::string requested_device;  // "auto", "cuda:1"
  bool fallback = false;
  std::string fallback_from;  // "cuda:1"
  tensor::FallbackReason fallback_reason = tensor::FallbackReason::kNone;
  std::string precision;  // element types that it computes in: "FP32"
  // Of an output's largest magnitude, against FP32; nothing where it computes in FP32 or could not be tried.
  std::optional<double> precision_deviation;
  int rewritten_constants = 0;                   // devices, element types and tensors in its code
  std::optional<TuningInfo> tuning;              // nothing: not tuned
  std::shared_ptr<const Provenance> provenance;  // as its passport says; null: it says nothing
  // What golden rows said of each placement, whenever it was made. Null: unknown.
  std::shared_ptr<const ParityRecord> parity;
  // Tensors of LibTorch's allocators alone: what its libraries allocate themselves is not seen. Null: unknown.
  std::shared_ptr<const PassMemory> pass_memory;
  double row_seconds = 0;  // that a batch of one row took when it was warmed up; 0: unknown
  // Its rows may be those of several requests, where the configuration asks for that.
  bool shares_forward_passes = true;
  std::vector<std::string> decisions;
  // What its owner should know of before clients do, a sentence each.
  std::vector<std::string> warnings;
};

// A model on one device, and the facts about that.
struct PlacedModel {
  std::shared_ptr<Model> model;
  ModelInfo info;
  std::shared_ptr<Model> small = nullptr;  // for batches at info.tuning->latency; null: `model`
};

// A model that was loaded, before it is served.
struct LoadedModel {
  std::shared_ptr<Model> model;
  ModelInfo info;
  // Better devices that failed for a passing reason during loading, best first.
  std::vector<tensor::DeviceId> preferred_devices = {};
  // Where it may run when `model`'s device fails, best first.
  std::vector<tensor::DeviceId> fallback_devices = {};
  // Makes it on one of all these. May take long. Thread-safe: several devices may be placed on at the same time.
  // Loading's errors. Null where there are none.
  std::function<absl::StatusOr<PlacedModel>(const tensor::DeviceId&)> place = nullptr;
  // Of `fallback_devices`, the one that is made ahead of need.
  std::optional<tensor::DeviceId> standby = std::nullopt;
  std::shared_ptr<Model> small = nullptr;  // as PlacedModel::small
  // What is left to do once it serves.
  std::vector<IdleJob> idle_jobs = {};
};

}  // namespace torchferry::model
