#include "server/plan/load_plan.h"

#include <algorithm>
#include <span>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/shards.h"
#include "server/plan/file_name_hints.h"
#include "server/plan/forward_calls.h"
#include "server/plan/forward_imports.h"
#include "server/plan/forward_layers.h"
#include "server/plan/key_match.h"
#include "server/plan/key_names.h"
#include "server/plan/key_tree.h"
#include "server/plan/nesting.h"
#include "server/plan/placeholder_tensors.h"
#include "server/plan/raw_strings.h"
#include "server/plan/script_check.h"
#include "server/plan/state_dict_key.h"

namespace torchferry::plan {
namespace {

// A source of 8 MiB is no forward pass.
constexpr uint64_t kMaxSourceBytes = 8 << 20;

// Which some editors put before UTF-8.
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// What LibTorch would be asked to compile.
absl::Status CheckForward(std::string_view source, std::string_view file) {
  FERRY_ASSIGN_OR_RETURN(const ForwardImports imports, ReadImports(source, file));
  CodeSize size;
  FERRY_RETURN_IF_ERROR(CheckNesting(imports.body, file, size));
  FERRY_RETURN_IF_ERROR(CheckCalls(imports.body, file));
  if (HasFunction(imports.body, "forward")) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{}: has no `def forward(self, …)`; write the model's forward pass as one", file);
}

template <typename T>
void AddOnce(const T& text, std::vector<std::string>& list) {
  std::string entry(text);
  if (!entry.empty() && std::ranges::find(list, entry) == list.end()) list.push_back(std::move(entry));
}

// A type that no provider has is a mistake, not an absent device.
absl::Status CheckType(const DeviceRequest& request, const std::vector<std::string>& types) {
  const auto device = tensor::ParseDeviceId(request.device);
  if (request.device == "auto" || request.device == "saved" || !device.ok() ||
      std::ranges::find(types, device->type) != types.end()) {
    return absl::OkStatus();
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{} is \"{}\", a type of device that this server does not have; name one that it knows: {}",
                          request.source, request.device, fmt::join(types, ", "));
}

// Only for `auto`: a device that was asked for is tried, as nobody knows what its allocator has kept back.
bool HasRoom(const tensor::DeviceId& device, const DeviceRequest& request, uint64_t weight_bytes,
             const PlanContext& context) {
  if (device.IsCpu() || request.device != "auto" || !context.free_bytes) return true;
  const std::optional<uint64_t> free = context.free_bytes(device);
  return !free.has_value() || *free >= weight_bytes;
}

// PyTorch has kernels for quantised weights on the CPU only, but for a few that nothing in an archive tells apart.
bool IsQuantized(const PlannedVersion& planned) {
  if (!planned.script.has_value()) return false;
  return std::ranges::any_of(planned.script->code_texts,
                             [](const std::string& code) { return code.find("ops.quantized.") != std::string::npos; });
}

std::vector<DeviceCandidate> DeviceCandidates(const DeviceRequest& request, const PlannedVersion& planned,
                                              const PlanContext& context, const RuledOut& ruled_out) {
  std::vector<DeviceCandidate> candidates;
  const bool is_quantized = IsQuantized(planned);
  for (const tensor::DeviceId& device : context.devices) {
    DeviceCandidate candidate{device};
    if (is_quantized && !device.IsCpu()) {
      candidate.ruled_out = tensor::FallbackReason::kQuantized;
    } else if (const auto here = context.ruled_out.find(tensor::ToString(device)); here != context.ruled_out.end()) {
      candidate.ruled_out = here->second;
    } else if (const auto it = ruled_out.find(tensor::ToString(device)); it != ruled_out.end()) {
      candidate.ruled_out = it->second;
    } else if (!HasRoom(device, request, planned.plan.weight_bytes, context)) {
      candidate.ruled_out = tensor::FallbackReason::kNoRoom;
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

// `infos`: of the module; `storages`: those that they are in.
void AddWeights(std::span<const checkpoint::TensorInfo* const> infos,
                const std::vector<checkpoint::StorageInfo>& storages, LoadMemoryFacts& facts) {
  std::vector<bool> is_typed(storages.size(), false);
  for (const checkpoint::TensorInfo* info : infos) {
    if (is_typed.at(info->storage)) continue;
    is_typed[info->storage] = true;
    facts.typed.push_back({info->dtype, storages[info->storage].size_bytes});
  }
  for (const checkpoint::StorageInfo& storage : storages) facts.weight_bytes += storage.size_bytes;
}

LoadMemoryFacts MemoryFactsOf(const PlannedVersion& planned) {
  LoadMemoryFacts facts;
  std::vector<const checkpoint::TensorInfo*> infos;
  if (planned.script.has_value()) {
    for (const checkpoint::ModuleTensor& entry : planned.script->tensors) infos.push_back(&entry.tensor);
    AddWeights(infos, planned.script->storages, facts);
    for (const std::string& text : planned.script->code_texts) facts.code_bytes += text.size();
    facts.is_quantized = IsQuantized(planned);
    if (planned.checkpoint == nullptr) return facts;
    for (const checkpoint::StorageInfo& storage : planned.checkpoint->storages()) {
      facts.copied_bytes = std::max(facts.copied_bytes, storage.size_bytes);
    }
    return facts;
  }
  for (const checkpoint::TensorInfo& tensor : planned.checkpoint->tensors()) infos.push_back(&tensor);
  AddWeights(infos, planned.checkpoint->storages(), facts);
  return facts;
}

class Planner {
 public:
  Planner(const VersionFiles& files, const config::ModelConfig& config, const PlanContext& context)
      : files_(files), config_(config), context_(context) {}

  absl::StatusOr<PlannedVersion> Run() {
    planned_.plan.format = files_.format;
    if (files_.format == checkpoint::FileFormat::kTorchScript) {
      FERRY_RETURN_IF_ERROR(PlanTorchScript());
    } else {
      FERRY_RETURN_IF_ERROR(PlanStateDict());
    }
    for (std::string& hint :
         FileNameHints(files_.model->name(), planned_.plan.saved_devices, planned_.plan.saved_dtypes)) {
      planned_.plan.decisions.push_back(std::move(hint));
    }
    if (planned_.script.has_value() || !planned_.forward_source.empty()) {
      planned_.plan.left_to_server =
          fmt::format("whether LibTorch compiles {}, and whether requests can have its arguments and results",
                      planned_.forward_source.empty() ? "the archive's code" : files_.architecture_file->name());
    }
    planned_.file_decisions = planned_.plan.decisions.size();
    planned_.memory_facts = MemoryFactsOf(planned_);
    FERRY_ASSIGN_OR_RETURN(planned_.plan, Replan(planned_, config_, context_, {}));
    return std::move(planned_);
  }

 private:
  absl::Status PlanTorchScript() {
    if (config_.state_dict.is_declared) {
      return base::MakeStatus(
          absl::StatusCode::kFailedPrecondition,
          "{} is a TorchScript archive, which brings its own code, and config.pbtxt declares a state_dict; remove "
          "torchferry {{ state_dict {{ … }} }}, or put the state_dict there: torch.save(model.state_dict(), path)",
          files_.model->name());
    }
    FERRY_ASSIGN_OR_RETURN(planned_.script, ReadScript(files_.model, context_));
    const checkpoint::TorchScriptInfo& script = *planned_.script;
    planned_.plan.producer = script.producer;
    for (const checkpoint::StorageInfo& storage : script.storages) planned_.plan.weight_bytes += storage.size_bytes;
    planned_.plan.saved_devices = script.weight_devices;
    planned_.weight_dtypes = script.weight_dtypes;
    for (const tensor::DType dtype : script.dtypes) AddOnce(Name(dtype), planned_.plan.saved_dtypes);
    FERRY_RETURN_IF_ERROR(ChooseMethod(*files_.model));
    if (files_.architecture != Architecture::kNone && !planned_.adds_forward) {
      Decide(
          fmt::format("{} is not used: a TorchScript archive brings its own code", files_.architecture_file->name()));
    }
    return absl::OkStatus();
  }

  // Which method requests run; `archive` has it, or forward.py brings it.
  absl::Status ChooseMethod(const checkpoint::File& archive) {
    if (!config_.method.empty()) planned_.method = config_.method;
    const std::vector<std::string> methods = MethodsOf(*planned_.script);
    if (std::ranges::find(methods, planned_.method) != methods.end()) {
      if (planned_.method != "forward") {
        Decide(fmt::format("requests run the method {}, as torchferry.method says", planned_.method));
      }
      return absl::OkStatus();
    }
    const bool is_model = files_.format == checkpoint::FileFormat::kTorchScript;
    if (is_model && config_.method.empty() && files_.architecture == Architecture::kForwardPy) {
      planned_.adds_forward = true;
      planned_.plan.uses_architecture = true;
      Decide(fmt::format("the archive has no forward: that of {} is used", files_.architecture_file->name()));
      FERRY_RETURN_IF_ERROR(ReadForward());
      // The archive has modules and their code; no key is known before it is read.
      FERRY_ASSIGN_OR_RETURN(planned_.layers,
                             PlanLayers(planned_.forward_source, files_.architecture_file->name(), {}));
      return absl::OkStatus();
    }
    std::string way_out = "it has none: put a forward.py beside it, which gives it one";
    if (!is_model) way_out = "it has none: save one that has a forward";
    if (!methods.empty()) {
      way_out = fmt::format("its methods: {}. Say which is to run with torchferry {{ method: \"{}\" }} in config.pbtxt",
                            checkpoint::Listed(methods), methods.front());
    }
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no method {}; {}",
                            archive.name(), planned_.method, way_out);
  }

  absl::Status ReadForward() {
    FERRY_ASSIGN_OR_RETURN(std::string source, ReadSource(*files_.architecture_file));
    planned_.forward_source = WithoutStringPrefixes(std::move(source));
    FERRY_RETURN_IF_ERROR(CheckForward(planned_.forward_source, files_.architecture_file->name()));
    if (config_.method.empty()) return absl::OkStatus();
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "torchferry.method is \"{}\", which is for a TorchScript archive's; of {} forward is run: "
                            "call {} there, or remove torchferry {{ method }} from config.pbtxt",
                            config_.method, files_.architecture_file->name(), config_.method);
  }

  absl::Status PlanStateDict() {
    LoadPlan& plan = planned_.plan;
    plan.uses_architecture = files_.architecture != Architecture::kNone;
    const auto choose = [this](const checkpoint::CheckpointOutline& outline) {
      planned_.outline = outline;
      return ChooseStateDictKey(outline, config_.state_dict.key);
    };
    if (files_.format == checkpoint::FileFormat::kShards) {
      if (!config_.state_dict.key.empty()) {
        return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                "state_dict.key is {}, and {} is a state_dict in {} files, which are one dict; remove "
                                "the key from config.pbtxt",
                                checkpoint::Quoted(config_.state_dict.key), files_.model->name(), files_.parts.size());
      }
      FERRY_ASSIGN_OR_RETURN(planned_.checkpoint, checkpoint::OpenShards(files_.parts, files_.index.get()));
      Decide(fmt::format("state_dict in {} parts, as {}", files_.parts.size(),
                         files_.index != nullptr ? "the index says" : "the files' names say"));
    } else {
      FERRY_ASSIGN_OR_RETURN(planned_.checkpoint, checkpoint::Checkpoint::Open(files_.model, choose));
    }
    const checkpoint::CheckpointIndex& index = planned_.checkpoint->index();
    plan.producer = index.producer;
    plan.state_dict_key = index.key;
    for (const checkpoint::StorageInfo& storage : index.storages) {
      AddOnce(storage.saved_device, plan.saved_devices);
      plan.weight_bytes += storage.size_bytes;
    }
    for (const checkpoint::TensorInfo& tensor : index.tensors) {
      AddWeightType(tensor.dtype);
      AddOnce(Name(tensor.dtype), plan.saved_dtypes);
    }
    FERRY_RETURN_IF_ERROR(
        base::Annotate(CheckForPlaceholders(index.tensors, planned_.outline.keys), files_.model->name()));
    if (!index.key.empty()) {
      Decide(fmt::format(
          "state_dict under {}{}", checkpoint::Quoted(index.key),
          config_.state_dict.key.empty() ? ", found in the training checkpoint" : ", as state_dict.key says"));
    }
    if (!index.stepped_over.empty()) {
      Decide(fmt::format("stepped over what is no tensor, and ran nothing of it: {}",
                         checkpoint::Listed(index.stepped_over)));
    }
    FERRY_ASSIGN_OR_RETURN(const ArchitectureNames architecture, ReadArchitecture());
    FERRY_RETURN_IF_ERROR(NameKeys(architecture));
    return Match();
  }

  absl::StatusOr<ArchitectureNames> ReadArchitecture() {
    ArchitectureNames names;
    if (files_.architecture == Architecture::kTorchScript) {
      FERRY_ASSIGN_OR_RETURN(const checkpoint::FileFormat format, checkpoint::Recognise(*files_.architecture_file));
      if (format != checkpoint::FileFormat::kTorchScript) {
        return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                "{} is a {}; an architecture is a TorchScript archive: "
                                "torch.jit.script(Model()).save(\"architecture.pt\")",
                                files_.architecture_file->name(), Name(format));
      }
      FERRY_ASSIGN_OR_RETURN(planned_.script, ReadScript(files_.architecture_file, context_));
      FERRY_RETURN_IF_ERROR(ChooseMethod(*files_.architecture_file));
      names.tensors.emplace();
      for (const checkpoint::ModuleTensor& tensor : planned_.script->tensors) names.tensors->insert(tensor.tensor.key);
    } else if (files_.architecture == Architecture::kForwardPy) {
      FERRY_RETURN_IF_ERROR(ReadForward());
      names.mentions = [source = planned_.forward_source](std::string_view name) {
        return MentionsAttribute(source, name);
      };
    }
    return names;
  }

  absl::Status NameKeys(const ArchitectureNames& architecture) {
    std::vector<std::string> keys;
    for (const checkpoint::TensorInfo& tensor : planned_.checkpoint->tensors()) keys.push_back(tensor.key);
    absl::StatusOr<KeyNames> names =
        PlanKeyNames(keys, config_.state_dict.strip_prefix, planned_.checkpoint->index().is_lightning, architecture);
    if (!names.ok()) return base::Annotate(names.status(), files_.model->name());
    planned_.names = std::move(names->names);
    planned_.plan.removed_prefixes = std::move(names->removed);
    for (std::string& decision : names->decisions) Decide(std::move(decision));
    return absl::OkStatus();
  }

  // Against architecture.pt, or against the layers of a forward.py, which takes what else there is.
  absl::Status Match() {
    if (files_.architecture != Architecture::kTorchScript) {
      FERRY_RETURN_IF_ERROR(base::Annotate(CheckKeyTree(planned_.names), files_.model->name()));
      return files_.architecture == Architecture::kForwardPy ? MatchForward() : absl::OkStatus();
    }
    std::vector<ArchitectureTensor> wanted;
    for (const checkpoint::ModuleTensor& entry : planned_.script->tensors) {
      wanted.push_back({entry.tensor.key, entry.tensor.dtype, entry.tensor.shape, entry.is_parameter});
    }
    const auto knows = [&](const std::string& name) {
      return std::ranges::find(planned_.script->tensors, name,
                               [](const checkpoint::ModuleTensor& entry) -> const std::string& {
                                 return entry.tensor.key;
                               }) != planned_.script->tensors.end();
    };
    std::vector<StateDictTensor> given;
    const std::vector<checkpoint::TensorInfo>& tensors = planned_.checkpoint->tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
      // An array that the architecture does not know is something that was saved beside the weights.
      if (tensors[i].is_array && !knows(planned_.names[i])) planned_.names[i].clear();
      if (!planned_.names[i].empty()) given.push_back({planned_.names[i], tensors[i].dtype, tensors[i].shape});
    }
    absl::StatusOr<std::vector<std::string>> decisions = MatchKeys(wanted, given, config_.state_dict.strict);
    if (!decisions.ok()) {
      const std::string message = base::MessageOf(decisions.status()) + PartHint(files_.model->name());
      return base::Annotate(absl::Status(decisions.status().code(), message), files_.model->name());
    }
    for (std::string& decision : *decisions) Decide(std::move(decision));
    return absl::OkStatus();
  }

  absl::Status MatchForward() {
    KeyShapes keys;
    const std::vector<checkpoint::TensorInfo>& tensors = planned_.checkpoint->tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!planned_.names[i].empty()) keys.emplace(planned_.names[i], tensors[i].shape);
    }
    FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<const ModuleTree> layers,
                           PlanLayers(planned_.forward_source, files_.architecture_file->name(), keys));
    planned_.layers = layers;
    for (const std::string& decision : layers->decisions) Decide(decision);
    return absl::OkStatus();
  }

  void AddWeightType(tensor::DType dtype) {
    if (std::ranges::find(planned_.weight_dtypes, dtype) == planned_.weight_dtypes.end())
      planned_.weight_dtypes.push_back(dtype);
  }

  void Decide(std::string decision) { planned_.plan.decisions.push_back(std::move(decision)); }

  const VersionFiles& files_;
  const config::ModelConfig& config_;
  const PlanContext& context_;
  PlannedVersion planned_;
};

}  // namespace

absl::StatusOr<std::string> ReadSource(const checkpoint::File& file) {
  if (file.size() > kMaxSourceBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {} bytes; at most {} are read as source",
                            file.name(), file.size(), kMaxSourceBytes);
  }
  std::string source(file.size(), '\0');
  FERRY_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span(source))));
  if (source.starts_with(kByteOrderMark)) source.erase(0, kByteOrderMark.size());
  if (const size_t at = source.find('\0'); at != std::string::npos) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: has a NUL at byte {}; expected Python source in UTF-8", file.name(), at);
  }
  return source;
}

absl::StatusOr<LoadPlan> Replan(const PlannedVersion& planned, const config::ModelConfig& config,
                                const PlanContext& context, const RuledOut& ruled_out) {
  LoadPlan plan = planned.plan;
  plan.decisions.resize(planned.file_decisions);
  const DeviceRequest request = RequestedDevice(config, context.default_device);
  FERRY_RETURN_IF_ERROR(CheckType(request, context.device_types));
  const std::vector<DeviceCandidate> candidates = DeviceCandidates(request, planned, context, ruled_out);
  FERRY_ASSIGN_OR_RETURN(plan.placement, PlanPlacement(request, config, candidates, plan.saved_devices));
  const tensor::DeviceId& device = plan.placement.device;
  plan.decisions.insert(plan.decisions.end(), plan.placement.decisions.begin(), plan.placement.decisions.end());
  if (plan.saved_devices.size() > 1) {
    plan.decisions.push_back(fmt::format("tensors saved on {} are gathered on {}",
                                         checkpoint::Listed(plan.saved_devices), tensor::ToString(device)));
  }
  plan.precision = PlanPrecision(config.precision, planned.weight_dtypes, device, context.has_native_bf16);
  if (!plan.precision.decision.empty()) plan.decisions.push_back(plan.precision.decision);
  const PrecisionPlan on_cpu =
      PlanPrecision(config.precision, planned.weight_dtypes, tensor::DeviceId::Cpu(), context.has_native_bf16);
  plan.memory = EstimateLoadMemory(planned.memory_facts, device, plan.precision, on_cpu, config);
  return plan;
}

absl::StatusOr<PlannedVersion> PlanVersion(const VersionFiles& files, const config::ModelConfig& config,
                                           const PlanContext& context) {
  return Planner(files, config, context).Run();
}

}  // namespace torchferry::plan
