#include "server/torch/loader.h"

#include <torch/csrc/jit/serialization/import.h>
#include <torch/script.h>

#include <optional>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/checkpoint/file_digest.h"
#include "server/plan/load_plan.h"
#include "server/plan/version_files.h"
#include "server/torch/convert.h"
#include "server/torch/deny_list.h"
#include "server/torch/forward_source.h"
#include "server/torch/move.h"
#include "server/torch/state_dict.h"
#include "server/torch/stateful.h"
#include "server/torch/torch_model.h"

namespace torchferry {
namespace {

using torch::jit::Module;

// Loading waits for the digest of files up to this; that of a larger one is known some seconds later.
constexpr uint64_t kMostAwaitedBytes = uint64_t{256} << 20;

// Carries the plan out: reads, compiles, moves.
class Load {
 public:
  Load(const VersionFiles& files, PlannedVersion planned, const LoadOptions& options, const ModelConfig& config)
      : files_(files),
        planned_(std::move(planned)),
        options_(options),
        config_(config) {
    if (!IsLarge()) StartDigest();
  }

  absl::StatusOr<Module> MakeModule() {
    TF_RETURN_IF_ERROR(files_.missing);
    std::optional<Module> module;
    if (files_.format == FileFormat::kTorchScript) {
      TF_ASSIGN_OR_RETURN(module, LoadArchive(*files_.model, files_.model_path));
    } else {
      TF_ASSIGN_OR_RETURN(module, LoadStateDict());
    }
    if (!module->find_method("forward").has_value()) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no forward method", files_.model->name());
    }
    if (!options_.host.trust_model_code) {
      TF_RETURN_IF_ERROR(Annotate(CheckGraphs(*module), SourceFile().name()));
    }
    TF_ASSIGN_OR_RETURN(state_, FindState(*module, files_.model->name()));
    module->eval();
    return *std::move(module);
  }

  absl::StatusOr<LoadedModel> Place(Module module) {
    const DeviceId& device = planned_.plan.placement.device;
    // A large file's bytes are read first and hashed after that: the two would share the processors.
    if (IsLarge()) StartDigest();
    if (!IsLarge()) digest_->Wait();
    ModelInfo info = Describe();
    TF_ASSIGN_OR_RETURN(ModelSignature signature, MakeSignature(module.get_method("forward").function().getSchema(), config_));
    try {
      MoveModule(module, ToTorch(device));
      return LoadedModel{
          MakeTorchModel(std::move(module), std::move(signature), device, std::move(state_)),
          std::move(info)};
    } catch (const std::exception& error) {
      return Annotate(StatusOf(error, absl::StatusCode::kInternal), "moving to " + ToString(device));
    }
  }

 private:
  bool IsLarge() const { return files_.model->size() > kMostAwaitedBytes; }

  void StartDigest() {
    digest_ = std::make_shared<FileDigest>(files_.model, [name = files_.model->name()](const std::string& hex) {
      LogInfo("file digest", {{"file", name}, {"sha256", hex}});
    });
  }

  const File& SourceFile() const {
    return files_.format != FileFormat::kTorchScript ? *files_.architecture_file : *files_.model;
  }

  static absl::StatusOr<Module> LoadArchive(const File& file, const std::string& path) {
    try {
      // To the CPU whatever the archive says: where it was saved is not where it runs.
      return torch::jit::load(path, at::kCPU, /*load_debug_files=*/false);
    } catch (const std::exception& error) {
      return Annotate(StatusOf(error, absl::StatusCode::kDataLoss), file.name() + ": LibTorch cannot load it");
    }
  }

  absl::StatusOr<Module> LoadStateDict() {
    const std::string& name = files_.model->name();
    if (files_.architecture == Architecture::kTorchScript) {
      TF_ASSIGN_OR_RETURN(Module module, LoadArchive(*files_.architecture_file, files_.architecture_path));
      TF_RETURN_IF_ERROR(Annotate(FillModule(module, *planned_.checkpoint, planned_.names), name));
      return module;
    }
    TF_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(*planned_.checkpoint, planned_.names));
    TF_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors));
    TF_ASSIGN_OR_RETURN(const std::string source, ReadSource(*files_.architecture_file));
    TF_RETURN_IF_ERROR(DefineForward(module, source, files_.architecture_file->name()));
    return module;
  }

  ModelInfo Describe() const {
    const LoadPlan& plan = planned_.plan;
    ModelInfo info;
    info.file_path = files_.model->name();
    info.format = Name(plan.format);
    info.producer = plan.producer;
    info.saved_devices = plan.saved_devices;
    info.saved_dtypes = plan.saved_dtypes;
    info.file_bytes = static_cast<int64_t>(files_.model->size());
    info.sha256 = [digest = digest_] { return digest->Get(); };
    if (plan.format != FileFormat::kTorchScript) info.architecture = files_.architecture_file->name();
    info.state_dict_key = plan.state_dict_key;
    info.removed_prefixes = plan.removed_prefixes;
    info.requested_device = plan.placement.requested;
    info.fallback = plan.placement.fallback;
    info.fallback_reason = plan.placement.fallback_reason;
    info.decisions = plan.decisions;
    DescribeState(info.decisions);
    return info;
  }

  void DescribeState(std::vector<std::string>& decisions) const {
    if (!state_.has_value()) return;
    decisions.push_back(
        fmt::format("keeps state: {}; each stream has its own copy, not batched", state_->reason));
    if (config_.dynamic_batching.has_value()) {
      decisions.push_back(
          "dynamic_batching is not used: requests of a model that keeps state share no forward "
          "pass");
    }
  }

  const VersionFiles& files_;
  const PlannedVersion planned_;
  const LoadOptions& options_;
  const ModelConfig& config_;
  std::shared_ptr<const FileDigest> digest_;
  std::optional<ModuleState> state_;
};

}  // namespace

absl::StatusOr<LoadedModel> LoadVersion(const LoadOptions& options, const std::string& model, int64_t version,
                                        const ModelConfig& config) {
  TF_ASSIGN_OR_RETURN(const VersionFiles files, FindVersionFiles(options.store, model, version, config));
  TF_ASSIGN_OR_RETURN(PlannedVersion planned, PlanVersion(files, config, options.host));
  Load load(files, std::move(planned), options, config);
  try {
    TF_ASSIGN_OR_RETURN(Module module, load.MakeModule());
    return load.Place(std::move(module));
  } catch (const std::exception& error) {
    // Whatever LibTorch throws where nobody expects it ends this version, not the server.
    return Annotate(StatusOf(error, absl::StatusCode::kInvalidArgument), files.model->name());
  }
}

absl::Status ExportTorchScript(const LoadOptions& options, const std::string& model, int64_t version, const ModelConfig& config,
                               const std::string& output_path) {
  TF_ASSIGN_OR_RETURN(const VersionFiles files, FindVersionFiles(options.store, model, version, config));
  TF_ASSIGN_OR_RETURN(PlannedVersion planned, PlanVersion(files, config, options.host));
  try {
    TF_ASSIGN_OR_RETURN(const Module module, Load(files, std::move(planned), options, config).MakeModule());
    module.save(output_path);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

}  // namespace torchferry
