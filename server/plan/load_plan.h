// What becomes of a version's file, and why: format, where its tensors are and what they are called, which device it
// runs on. The server loads by it and `torchferry inspect` shows it, so that what is said is what happens.
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

// Devices that cannot be used after all, "cuda:0", and why; see DeviceCandidate.
using RuledOut = std::map<std::string, tensor::FallbackReason>;

// The host, and what the server was told.
struct PlanContext {
  std::vector<tensor::DeviceId> devices;  // best first, the CPU last
  RuledOut ruled_out;                     // of these, for every version
  std::vector<std::string> device_types;  // that may be named, whether or not there is one: "cpu", "cuda"
  std::string default_device = "auto";    // --device
  bool has_native_bf16 = false;           // of the CPU
  // Bytes that are free on an accelerator; nothing where nobody knows. Null: nobody knows.
  std::function<std::optional<uint64_t>(const tensor::DeviceId&)> free_bytes;
  bool trust_model_code = false;  // --trust-model-code
  bool torchscript = true;        // --no-torchscript: archives, which bring code, are refused
  // Of the host's memory; null: loads are not held against it.
  std::shared_ptr<LoadBudget> budget = nullptr;
};

struct LoadPlan {
  checkpoint::FileFormat format = checkpoint::FileFormat::kUnknown;
  std::string producer;
  std::vector<std::string> saved_devices;  // each once, in the order of the file; none where the format has none
  std::vector<std::string> saved_dtypes;
  bool uses_architecture = false;             // a file beside the model's is used
  std::string state_dict_key;                 // in a training checkpoint; empty: the whole file is the state_dict
  std::vector<std::string> removed_prefixes;  // "module."
  uint64_t weight_bytes = 0;                  // of the tensors in the file, shared ones once
  PlacementPlan placement;
  PrecisionPlan precision;
  LoadMemory memory;
  std::vector<std::string> decisions;  // a sentence each, the placement's and the precision's included
  std::vector<std::string> warnings;   // what its owner should know of before clients do, a sentence each
  // What may fail yet and takes LibTorch to find out, for whoever has no server; empty: nothing.
  std::string left_to_server;
};

// The plan, and what was read on the way to it.
struct PlannedVersion {
  LoadPlan plan;
  // By which it is served from here on: with what a torch.export program (program_config.h) and a passport
  // (passport_config.h) say of it, else as the caller gave it.
  config::ModelConfig config;
  std::shared_ptr<const Passport> passport;            // null: it has none
  std::string passport_name;                           // for messages: "the passport in m/1/model.pt"
  std::unique_ptr<checkpoint::Checkpoint> checkpoint;  // null for TorchScript
  // Of checkpoint->tensors(), as the architecture calls them; empty: left out.
  std::vector<std::string> names;
  // What the checkpoint's outermost dict holds; empty for TorchScript and safetensors.
  checkpoint::CheckpointOutline outline;
  // Of the model, or of architecture.pt.
  std::optional<checkpoint::TorchScriptInfo> script;
  // Of the model, or of architecture.pt2; null otherwise. Its `weights` are gone: they are `checkpoint`, or
  // `architecture_weights` where that is a state_dict.
  std::shared_ptr<const checkpoint::ExportedProgram> program;
  std::vector<size_t> program_results;  // of each of config.outputs: its index in program->outputs
  // What architecture.pt2 brings: what no entry of `names` names keeps its values from here. Null otherwise.
  std::unique_ptr<checkpoint::Checkpoint> architecture_weights;
  std::string forward_source;                // of a forward.py: what was checked is what is compiled
  bool adds_forward = false;                 // that is an archive's, which has none of its own
  std::string method = "forward";            // of the module, which requests run
  std::shared_ptr<const ModuleTree> layers;  // what its constructors make; null without a forward.py
  std::vector<tensor::DType> weight_dtypes;  // each once
  LoadMemoryFacts memory_facts;
  // Of plan.decisions, those before the placement's.
  size_t file_decisions = 0;
};

// Reads the file's index and decides; no tensor's bytes are read. Errors are those that loading ends with, in the order
// of LoadVersion (model_loader.h): DATA_LOSS, INVALID_ARGUMENT, FAILED_PRECONDITION. `files.missing` is not among them:
// the caller says what a state_dict without an architecture is to it.
absl::StatusOr<PlannedVersion> PlanVersion(const VersionFiles& files, const config::ModelConfig& config,
                                           const PlanContext& context);

// The plan with another decision on where the version runs and in which types, without the devices of `ruled_out`; the
// rest is that of `planned`. On the devices of `in_full` it computes in FP32, whatever the configuration says, since
// golden rows refuse less there. Pure. Errors as PlanPlacement's.
absl::StatusOr<LoadPlan> Replan(const PlannedVersion& planned, const config::ModelConfig& config,
                                const PlanContext& context, const RuledOut& ruled_out,
                                const std::set<std::string>& in_full = {});

// A forward.py, whole, without a byte order mark. INVALID_ARGUMENT when it is too large to be one, or no text.
absl::StatusOr<std::string> ReadSource(const checkpoint::File& file);

}  // namespace torchferry::plan
