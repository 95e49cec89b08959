// The facts that `inspect` finds about a model file: its contents, and how the server would load it on this host. It
// needs no server and no LibTorch.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/plan/load_plan.h"
#include "server/plan/passport.h"

namespace torchferry::client {

struct InspectedTensor {
  std::string key;   // as in the file
  std::string name;  // as the model calls it; empty: left out of the model
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;
  uint64_t bytes = 0;
};

// An input or an output that the file itself declares.
struct InspectedArgument {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;  // as in requests, rows included; kAnyDim: any size
};

// The interface with which a torch.export program is served, including what config.pbtxt sets, if there is one.
struct InspectedProgram {
  std::string name;  // in its archive
  std::vector<InspectedArgument> inputs;
  std::vector<InspectedArgument> outputs;
  int64_t max_batch_size = 0;  // 0: no batch dimension
  bool dynamic_batching = false;
};

struct Inspection {
  std::string path;
  uint64_t file_bytes = 0;
  std::string sha256;
  std::optional<uint64_t> available_memory;  // of this host, to compare with the memory for loading (plan.memory)
  plan::LoadPlan plan;
  std::string architecture;  // the architecture file that is used; empty: none
  // FAILED_PRECONDITION: a state_dict whose architecture is missing.
  absl::Status missing;
  bool has_config = false;

  std::shared_ptr<const plan::Passport> passport;  // in the file or beside it; null: none
  std::optional<InspectedProgram> program;         // from the file, or from its architecture
  std::vector<InspectedTensor> tensors;            // in the order of the file
  std::map<std::string, size_t> dtype_counts;      // number of tensors of each dtype
  uint64_t parameters = 0;                         // elements of the floating tensors; tied ones count once
  uint64_t tensor_bytes = 0;                       // bytes of the storages
  std::vector<std::vector<std::string>> tied;      // names that share the same bytes
  std::vector<checkpoint::NestedDict> dicts;       // of a training checkpoint
  std::vector<std::string> other_entries;          // keys that hold no tensors

  std::string suggested_config;  // config.pbtxt; empty when there is one
  std::string scaffold;          // forward.py; empty for TorchScript and programs
};

struct InspectOptions {
  std::string device = "auto";     // the server's --device
  bool trust_model_code = false;   // the server's --trust-model-code
  bool torchscript = true;         // false: the server's --no-torchscript
  bool follows_links_out = false;  // the server's --follow-links-out-of-store
  std::string trusted_digests;     // the server's --trusted-digests; empty: none
  std::string config;              // a config.pbtxt; empty: the one of the store that the file is in, if any
};

// `on_progress` gets the bytes of the file that have been read, and their total. Errors are those with which the
// server's version would fail, except a missing architecture (Inspection::missing).
absl::StatusOr<Inspection> Inspect(const std::string& path, const InspectOptions& options,
                                   const std::function<void(uint64_t, uint64_t)>& on_progress);

}  // namespace torchferry::client
