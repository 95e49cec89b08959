// A model's configuration: `config.pbtxt` parsed, checked and turned into plain values. All defaults are here.
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
// How the server treats a placement that golden rows refuse.
enum class ParityPolicy { kRefuse, kWarn, kOff };
enum class Precision { kAuto, kKeep, kFp32, kFp16, kBf16 };

// A declared input or output. `dims` are those of the file: without the batch dimension where max_batch_size > 0.
struct TensorConfig {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape dims;                    // kAnyDim where the size is free
  std::optional<tensor::Shape> reshape;  // the shape that the model itself sees
  bool is_optional = false;
  std::string label_filename;  // of an output: in the model's folder, a line for each class; empty: no labels
  // Limits of an input's free sizes. They come from a torch.export program; config.pbtxt cannot state them.
  std::vector<tensor::SizeLimit> size_limits;
};

struct VersionPolicy {
  enum class Kind { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  int64_t latest = 1;             // number of versions, for kLatest
  std::vector<int64_t> specific;  // for kSpecific
};

struct DynamicBatching {
  std::vector<int64_t> preferred_batch_sizes;  // ascending, each 1 to max_batch_size
  std::chrono::microseconds max_queue_delay{0};
  // Max requests that may wait; 0: the server's limit.
  int64_t max_queue_size = 0;
  // Max time that a request may wait; 0: until its deadline.
  std::chrono::microseconds default_queue_timeout{0};
};

// One entry of instance_group. KIND_MODEL becomes kAuto, and sets the model's `device` to "saved".
struct InstanceGroup {
  enum class Kind { kAuto, kCpu, kGpu };
  Kind kind = Kind::kAuto;
  int32_t count = 1;
  std::vector<int32_t> gpus;  // empty: all, for kGpu; none named, for kAuto; always empty for kCpu
  bool is_count_given = false;
};

// One tensor of a warm-up request, and the source of its values.
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

// How the server finds the way to run the model: the variant of its graph, the threads, and the rows of a batch.
struct OptimizeConfig {
  enum class Mode { kServer, kAuto, kOff, kList };
  Mode mode = Mode::kServer;             // kServer: as the server's flag says
  std::vector<std::string> variants;     // for kList: each one of TuningVariants(), once
  std::optional<double> budget_seconds;  // max time of the search
};

// The ways to prepare a graph, the simplest first.
const std::vector<std::string>& TuningVariants();

struct StateDictConfig {
  bool is_declared = false;  // the configuration has a `state_dict {}`
  std::string architecture;  // file name; empty: forward.py, architecture.pt2 or architecture.pt, in this order
  std::string key;           // key of the state_dict in a training checkpoint; empty: the server finds it
  bool strict = true;
  // Prefix to remove from each key that begins with it. "": none is removed. Absent: the server finds it.
  std::optional<std::string> strip_prefix;
};

// Plain values. A default-constructed one is the configuration of a model without `config.pbtxt`.
struct ModelConfig {
  std::string name;
  int64_t max_batch_size = 0;            // 0: no batch dimension
  bool is_max_batch_size_given = false;  // the file states it, also if it is 0
  std::vector<TensorConfig> inputs;
  std::vector<TensorConfig> outputs;
  // The source of `inputs`, `outputs` and max_batch_size, for messages: config.pbtxt or the version's passport.
  std::string signature_source = "config.pbtxt";
  std::optional<DynamicBatching> dynamic_batching;
  VersionPolicy version_policy;
  std::vector<InstanceGroup> instance_groups;
  std::vector<WarmUp> warm_ups;
  std::string default_model_filename;
  std::map<std::string, std::string> parameters;
  // Max seconds of one forward pass and of loading a version, from `parameters`; absent: the server's flags decide.
  std::optional<double> forward_timeout_seconds;
  std::optional<double> load_timeout_seconds;

  // torchferry { … }
  std::string device;  // empty: not set in this file
  FallbackPolicy fallback = FallbackPolicy::kCpu;
  // Whether a placement on the CPU is built in advance, where the device is another one. Absent: the size of the
  // weights decides.
  std::optional<bool> fallback_warm;
  std::map<std::string, std::string> map_location;
  Precision precision = Precision::kAuto;
  ParityPolicy parity = ParityPolicy::kRefuse;
  StateDictConfig state_dict;
  OptimizeConfig optimize;
  // Whether the model keeps state; absent: the code decides.
  std::optional<bool> stateful;
  bool split_oversized = false;  // a request above max_batch_size runs in parts
  std::optional<tensor::PadPlan> pad_to;
  std::string method;   // of a TorchScript archive, an identifier; empty: forward
  std::string program;  // of an archive of several torch.export programs; empty: the only one, or "model"

  // The file's message, for callers that show it. Null without a file.
  std::shared_ptr<const inference::ModelConfig> message;

  // Lines for the log, "FILE:LINE:COLUMN: what and why": accepted fields that have no effect here.
  std::vector<std::string> warnings;
};

// Parses protobuf text. `file` is the file's name in messages (its path inside the store). `model_name` is the folder's
// name: another `name` in the file is an error, and an absent one gets this value. INVALID_ARGUMENT "FILE:LINE:COLUMN:
// what, which value, what was expected" for syntax errors, unknown fields, and values out of range. It is also for
// fields that are refused (the table in field_table.h). If there are several errors, it has the first one in the file.
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view text, std::string_view file, std::string_view model_name);

// Batches of the model that may run at the same time on an accelerator. It is the count of the first instance_group
// that has one and is not for the CPU. Without one it is 2 for a model without state whose requests share batches: one
// batch computes while the next is copied. Else 0: the number of workers. Pure.
int InstancesOnAccelerator(const ModelConfig& config, bool is_stateful);

// Gives those of the `available` versions that the policy selects, newest first. Pure.
std::vector<int64_t> SelectVersions(const VersionPolicy& policy, std::vector<int64_t> available);

}  // namespace torchferry::config
