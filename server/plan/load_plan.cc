#include "server/plan/load_plan.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/shards.h"
#include "server/plan/file_name_hints.h"
#include "server/plan/forward_calls.h"
#include "server/plan/forward_imports.h"
#include "server/plan/forward_layers.h"
#include "server/plan/key_match.h"
#include "server/plan/key_names.h"
#include "server/plan/key_ties.h"
#include "server/plan/key_tree.h"
#include "server/plan/memory_facts.h"
#include "server/plan/nesting.h"
#include "server/plan/passport_plan.h"
#include "server/plan/placeholder_tensors.h"
#include "server/plan/program_plan.h"
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

class Planner {
 public:
  Planner(const VersionFiles& files, const config::ModelConfig& config, const PlanContext& context)
      : files_(files), config_(config), context_(context) {}

  absl::StatusOr<PlannedVersion> Run() {
    planned_.plan.format = files_.format;
    planned_.config = config_;
    if (!files_.trusted_by.empty()) Decide(fmt::format("the SHA-256 of each file is in {}", files_.trusted_by));
    if (files_.format == checkpoint::FileFormat::kTorchScript) {
      FERRY_RETURN_IF_ERROR(PlanTorchScript());
    } else if (files_.format == checkpoint::FileFormat::kExportedProgram) {
      FERRY_RETURN_IF_ERROR(PlanProgram(files_, context_, planned_));
    } else {
      FERRY_RETURN_IF_ERROR(PlanStateDict());
    }
    FERRY_RETURN_IF_ERROR(CheckProgramName());
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
    FERRY_ASSIGN_OR_RETURN(planned_.plan, Replan(planned_, planned_.config, context_, {}));
    return std::move(planned_);
  }

 private:
  absl::Status CheckProgramName() const {
    if (config_.program.empty() || planned_.program != nullptr) return absl::OkStatus();
    return base::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "torchferry.program is {}, which is for files of several torch.export programs, and {} is a "
        "{}; remove torchferry {{ program }} from config.pbtxt",
        checkpoint::Quoted(config_.program), files_.model->name(), Name(files_.format));
  }

  absl::Status PlanTorchScript() {
    if (config_.state_dict.is_declared) {
      return base::MakeStatus(
          absl::StatusCode::kFailedPrecondition,
          "{} is a TorchScript archive with its own code, but config.pbtxt declares a state_dict. Remove torchferry {{ "
          "state_dict {{ … }} }}, or put the state_dict there: torch.save(model.state_dict(), path)",
          files_.model->name());
    }
    FERRY_ASSIGN_OR_RETURN(planned_.script, ReadScript(files_.model, context_));
    const checkpoint::TorchScriptInfo& script = *planned_.script;
    FERRY_RETURN_IF_ERROR(UsePassport(files_, script.passport, planned_));
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
    FERRY_RETURN_IF_ERROR(UsePassport(files_, index.passport, planned_));
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
                                "{} is a {}; an architecture is a torch.export program, torch.export.save(ep, "
                                "\"architecture.pt2\"), or a TorchScript archive: "
                                "torch.jit.script(Model()).save(\"architecture.pt\")",
                                files_.architecture_file->name(), Name(format));
      }
      FERRY_ASSIGN_OR_RETURN(planned_.script, ReadScript(files_.architecture_file, context_));
      FERRY_RETURN_IF_ERROR(ChooseMethod(*files_.architecture_file));
      names.tensors.emplace();
      for (const checkpoint::ModuleTensor& tensor : planned_.script->tensors) names.tensors->insert(tensor.tensor.key);
    } else if (files_.architecture == Architecture::kProgram) {
      FERRY_ASSIGN_OR_RETURN(planned_.architecture_weights, ReadProgram(files_.architecture_file, context_, planned_));
      names.tensors.emplace();
      for (ArchitectureTensor& tensor : StateDictOf(*planned_.program, *planned_.architecture_weights)) {
        names.tensors->insert(std::move(tensor.name));
      }
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
    if (architecture.tensors.has_value()) {
      DecideIfAny(NameWeightNorm(*architecture.tensors, planned_.names));
    }
    for (std::string& decision : names->decisions) Decide(std::move(decision));
    return absl::OkStatus();
  }

  // What the architecture's file says that a state_dict fills.
  std::vector<ArchitectureTensor> WantedTensors() const {
    if (planned_.program != nullptr) return StateDictOf(*planned_.program, *planned_.architecture_weights);
    std::vector<ArchitectureTensor> wanted;
    for (const checkpoint::ModuleTensor& entry : planned_.script->tensors) {
      wanted.push_back({entry.tensor.key, entry.tensor.dtype, entry.tensor.shape, entry.is_parameter});
    }
    return wanted;
  }

  std::vector<const checkpoint::TensorInfo*> ArchitectureInfos() const {
    std::vector<const checkpoint::TensorInfo*> infos;
    if (planned_.program != nullptr) {
      for (const checkpoint::TensorInfo& tensor : planned_.architecture_weights->tensors()) infos.push_back(&tensor);
    } else {
      for (const checkpoint::ModuleTensor& entry : planned_.script->tensors) infos.push_back(&entry.tensor);
    }
    return infos;
  }

  // Against architecture.pt2 or architecture.pt, or against the layers of a forward.py, which takes what else there is.
  absl::Status Match() {
    if (files_.architecture != Architecture::kTorchScript && files_.architecture != Architecture::kProgram) {
      FERRY_RETURN_IF_ERROR(base::Annotate(CheckKeyTree(planned_.names), files_.model->name()));
      return files_.architecture == Architecture::kForwardPy ? MatchForward() : absl::OkStatus();
    }
    std::vector<ArchitectureTensor> wanted = WantedTensors();
    std::set<std::string> known;
    for (const ArchitectureTensor& tensor : wanted) known.insert(tensor.name);
    std::vector<StateDictTensor> given;
    const std::vector<checkpoint::TensorInfo>& tensors = planned_.checkpoint->tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
      // An array that the architecture does not know is something that was saved beside the weights.
      if (tensors[i].is_array && !known.contains(planned_.names[i])) planned_.names[i].clear();
      if (!planned_.names[i].empty()) given.push_back({planned_.names[i], tensors[i].dtype, tensors[i].shape});
    }
    DecideIfAny(DropTied(ArchitectureInfos(), {planned_.names.begin(), planned_.names.end()}, wanted));
    absl::StatusOr<std::vector<std::string>> decisions = MatchKeys(wanted, given, config_.state_dict.strict);
    if (!decisions.ok()) {
      const std::string message = base::MessageOf(decisions.status()) + PartHint(files_.model->name());
      return base::Annotate(absl::Status(decisions.status().code(), message), files_.model->name());
    }
    for (std::string& decision : *decisions) Decide(std::move(decision));
    // What the architecture does not have, with strict: false.
    if (planned_.program != nullptr) {
      for (std::string& name : planned_.names) {
        if (!known.contains(name)) name.clear();
      }
    }
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

  void DecideIfAny(std::string decision) {
    if (!decision.empty()) Decide(std::move(decision));
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

absl::StatusOr<PlannedVersion> PlanVersion(const VersionFiles& files, const config::ModelConfig& config,
                                           const PlanContext& context) {
  return Planner(files, config, context).Run();
}

}  // namespace torchferry::plan
