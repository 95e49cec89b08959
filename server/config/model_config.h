// A model's configuration: `config.pbtxt` parsed, checked and turned into plain values. All
// defaults are here.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/tensor/dtype.h"
#include "server/tensor/padding.h"
#include "server/tensor/shape.h"
#include "server/tensor/size_limit.h"

namespace inference {
class ModelConfig;
}

namespace torchferry::config {

enum class FallbackPolicy { kCpu, kNone };
// What becomes of a placement that golden rows refuse.
enum class ParityPolicy { kRefuse, kWarn, kOff };
enum class Precision { kAuto, kKeep, kFp32, kFp16, kBf16 };

// A declared input or output. `dims` are as in the file: without the batch dimension where
// max_batch_size > 0.
struct TensorConfig {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape dims;                    // kAnyDim where the size is free
  std::optional<tensor::Shape> reshape;  // the shape that the model itself sees
  bool is_optional = false;
  std::string label_filename;  // of an output: in the model's folder, a line for each class; empty: no labels
  // Of an input's free sizes, as a torch.export program says them; no file does.
  std::vector<tensor::SizeLimit> size_limits;
};

struct VersionPolicy {
  enum class Kind { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  int64_t latest = 1;             // how many, for kLatest
  std::vector<int64_t> specific;  // for kSpecific
};

struct DynamicBatching {
  std::vector<int64_t> preferred_batch_sizes;  // ascending, each 1 to max_batch_size
  std::chrono::microseconds max_queue_delay{0};
  // Requests that may wait; 0: the server's limit.
  int64_t max_queue_size = 0;
  // How long a request may wait; 0: as long as its deadline allows.
  std::chrono::microseconds default_queue_timeout{0};
};

// One entry of instance_group. KIND_MODEL is kAuto here, and the model's `device` "saved".
struct InstanceGroup {
  enum class Kind { kAuto, kCpu, kGpu };
  Kind kind = Kind::kAuto;
  int32_t count = 1;
  std::vector<int32_t> gpus;  // empty: all, for kGpu; none named, for kAuto; never there for kCpu
  bool is_count_given = false;
};

// One tensor of a warm-up request, and where its values come from.
struct WarmUpInput {
  enum class Data { kZero, kRandom, kFile };
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape dims;  // of one row, without the batch dimension; each size is known
  Data data = Data::kZero;
  std::string file;  // in the model's folder warmup/, for kFile: the bytes of one row
};

// One entry of model_warmup: a request that the model runs `count` times before it serves.
struct WarmUp {
  std::string name;
  int64_t batch_size = 1;  // rows, each the same
  int64_t count = 1;
  std::vector<WarmUpInput> inputs;
};

// How the way to run the model is found: how its graph is prepared, with how many threads, how many rows at a time.
struct OptimizeConfig {
  enum class Mode { kServer, kAuto, kOff, kList };
  Mode mode = Mode::kServer;             // kServer: as the server's flag says
  std::vector<std::string> variants;     // for kList: each one of TuningVariants(), once
  std::optional<double> budget_seconds;  // most that the search may take
};

// The ways to prepare a graph, the plainest first.
const std::vector<std::string>& TuningVariants();

struct StateDictConfig {
  bool is_declared = false;  // the configuration has a `state_dict {}`
  std::string architecture;  // file name; empty: forward.py or architecture.pt, whichever is there
  std::string key;           // where the state_dict lies in a training checkpoint; empty: found by itself
  bool strict = true;
  // Taken from the begin of each key that has it; "" takes nothing away; absent: found by itself.
  std::optional<std::string> strip_prefix;
};

// Plain values; a default-constructed one is the configuration of a model without `config.pbtxt`.
struct ModelConfig {
  std::string name;
  int64_t max_batch_size = 0;            // 0: no batch dimension
  bool is_max_batch_size_given = false;  // the file says it, be it 0
  std::vector<TensorConfig> inputs;
  std::vector<TensorConfig> outputs;
  // What says `inputs`, `outputs` and max_batch_size, for messages; else the version's passport.
  std::string signature_source = "config.pbtxt";
  std::optional<DynamicBatching> dynamic_batching;
  VersionPolicy version_policy;
  std::vector<InstanceGroup> instance_groups;
  std::vector<WarmUp> warm_ups;
  std::string default_model_filename;
  std::map<std::string, std::string> parameters;
  // Of these: how long one forward pass, and loading a version, may take; absent: as the server's flags say.
  std::optional<double> forward_timeout_seconds;
  std::optional<double> load_timeout_seconds;

  // torchferry { … }
  std::string device;  // empty: not said here
  FallbackPolicy fallback = FallbackPolicy::kCpu;
  // Whether a placement on the CPU is made ahead of need, where the device is another; absent: by the size of the
  // weights.
  std::optional<bool> fallback_warm;
  std::map<std::string, std::string> map_location;
  Precision precision = Precision::kAuto;
  ParityPolicy parity = ParityPolicy::kRefuse;
  StateDictConfig state_dict;
  OptimizeConfig optimize;
  // Whether the model keeps state; absent: the code tells.
  std::optional<bool> stateful;
  bool split_oversized = false;  // a request above max_batch_size runs in parts
  std::optional<tensor::PadPlan> pad_to;
  std::string method;   // of a TorchScript archive, an identifier; empty: forward
  std::string program;  // of an archive of several torch.export programs; empty: the only one, or "model"

  // The file's message, for who wants to see it; null without a file.
  std::shared_ptr<const inference::ModelConfig> message;

  // Lines for the log, "FILE:LINE:COLUMN: what and why": fields that are accepted and have no
  // effect here.
  std::vector<std::string> warnings;
};

// Parses protobuf text. `file` is what messages call it (its path inside the store); `model_name`
// is the folder's name: a `name` in the file that differs is an error, an absent one is filled in.
// INVALID_ARGUMENT "FILE:LINE:COLUMN: what, which value, what was expected" for syntax errors,
// unknown fields, fields that are refused (the table in field_table.h) and values out of range; of
// several the one that stands first in the file.
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view text, std::string_view file, std::string_view model_name);

// Batches of the model that may run at the same time on an accelerator: count of the first instance_group that has one
// and is not of the CPU; where none has, 2 of a model whose requests share batches, so that one computes while the next
// is copied there. 0: as many as there are workers. Pure.
int InstancesOnAccelerator(const ModelConfig& config, bool is_stateful);

// Which of the versions that are there the policy wants, newest first. Pure.
std::vector<int64_t> SelectVersions(const VersionPolicy& policy, std::vector<int64_t> available);

}  // namespace torchferry::config
