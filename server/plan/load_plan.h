// Decides how a version's file is served, and says why: its format, where its tensors are, their names, and the device.
// The server loads by this plan, and `torchferry inspect` shows the same plan.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_program.h"
#include "server/checkpoint/torchscript.h"
#include "server/config/model_config.h"
#include "server/plan/load_budget.h"
#include "server/plan/load_memory.h"
#include "server/plan/module_tree.h"
#include "server/plan/passport.h"
#include "server/plan/placement.h"
#include "server/plan/precision.h"
#include "server/plan/version_files.h"

namespace torchferry::plan {

// Devices that cannot be used, "cuda:0", and why; see DeviceCandidate.
using RuledOut = std::map<std::string, tensor::FallbackReason>;

// The host, and the server's flags.
struct PlanContext {
  std::vector<tensor::DeviceId> devices;  // best first, the CPU last
  RuledOut ruled_out;                     // of these devices, for every version
  std::vector<std::string> device_types;  // may be named, whether or not there is one: "cpu", "cuda"
  std::string default_device = "auto";    // --device
  bool has_native_bf16 = false;           // of the CPU
  // Gives the free bytes of an accelerator; nothing where that is not known. Null: they are never known.
  std::function<std::optional<uint64_t>(const tensor::DeviceId&)> free_bytes;
  bool trust_model_code = false;  // --trust-model-code
  bool torchscript = true;        // --no-torchscript: archives, which bring code, are refused
  // Shares the host's memory. Null: loads are not checked against it.
  std::shared_ptr<LoadBudget> budget = nullptr;
};

struct LoadPlan {
  checkpoint::FileFormat format = checkpoint::FileFormat::kUnknown;
  std::string producer;
  std::vector<std::string> saved_devices;  // each once, in the order of the file; empty where the format has none
  std::vector<std::string> saved_dtypes;
  bool uses_architecture = false;             // an architecture file is used
  std::string state_dict_key;                 // in a training checkpoint; empty: the whole file is the state_dict
  std::vector<std::string> removed_prefixes;  // "module."
  uint64_t weight_bytes = 0;                  // of the tensors in the file, shared ones once
  PlacementPlan placement;
  PrecisionPlan precision;
  LoadMemory memory;
  std::vector<std::string> decisions;  // a sentence each, with those of placement and precision
  std::vector<std::string> warnings;   // what the owner should fix or know, a sentence each
  // The checks that only LibTorch can do, as a text for users without a server. Empty: none are left.
  std::string left_to_server;
};

// The plan, and the data that was read for it.
struct PlannedVersion {
  LoadPlan plan;
  // The configuration that the version is served by. It has what a torch.export program (program_config.h) and a
  // passport (passport_config.h) add. Without these it is that of the caller.
  config::ModelConfig config;
  std::shared_ptr<const Passport> passport;            // null: it has none
  std::string passport_name;                           // for messages: "the passport in m/1/model.pt"
  std::unique_ptr<checkpoint::Checkpoint> checkpoint;  // null for TorchScript
  // The architecture's names for checkpoint->tensors(), in their order. Empty: the tensor is left out.
  std::vector<std::string> names;
  // The content of the checkpoint's outermost dict. Empty for TorchScript and safetensors.
  checkpoint::CheckpointOutline outline;
  // Describes the model, or architecture.pt. Nothing otherwise.
  std::optional<checkpoint::TorchScriptInfo> script;
  // The program of the model, or of architecture.pt2; null otherwise. Its `weights` were moved out: to `checkpoint`, or
  // to `architecture_weights` where `checkpoint` is a state_dict.
  std::shared_ptr<const checkpoint::ExportedProgram> program;
  std::vector<size_t> program_results;  // for each of config.outputs: its index in program->outputs
  // The weights of architecture.pt2. A tensor that no entry of `names` names keeps its value from here. Null otherwise.
  std::unique_ptr<checkpoint::Checkpoint> architecture_weights;
  std::string forward_source;                // text of a forward.py: it was checked, and it is compiled
  bool adds_forward = false;                 // forward_source adds the forward that a TorchScript archive lacks
  std::string method = "forward";            // the module's method that requests run
  std::shared_ptr<const ModuleTree> layers;  // built by its constructors; null without a forward.py
  std::vector<tensor::DType> weight_dtypes;  // each once
  LoadMemoryFacts memory_facts;
  // The number of plan.decisions that come before the placement's.
  size_t file_decisions = 0;
};

// Reads the file's index and decides; no tensor's bytes are read. Errors are those of loading, in the order of
// LoadVersion (model_loader.h): DATA_LOSS, INVALID_ARGUMENT, FAILED_PRECONDITION. `files.missing` is not among them:
// the caller decides whether a state_dict without an architecture is an error.
absl::StatusOr<PlannedVersion> PlanVersion(const VersionFiles& files, const config::ModelConfig& config,
                                           const PlanContext& context);

// Decides the device and the types again, without the devices of `ruled_out`; the rest is that of `planned`. On the
// devices of `in_full` the version computes in FP32, whatever the configuration says, because golden rows refuse less
// there. Pure. Errors are those of PlanPlacement.
absl::StatusOr<LoadPlan> Replan(const PlannedVersion& planned, const config::ModelConfig& config,
                                const PlanContext& context, const RuledOut& ruled_out,
                                const std::set<std::string>& in_full = {});

// Reads a whole forward.py, without a byte order mark. INVALID_ARGUMENT when it is too large, or has a NUL byte.
absl::StatusOr<std::string> ReadSource(const checkpoint::File& file);

}  // namespace torchferry::plan
