#include "server/torch/loader.h"

#include <torch/csrc/jit/serialization/import.h>
#include <torch/script.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "server/base/status.h"
#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/torchscript.h"
#include "server/plan/placement.h"
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

// A source of 8 MiB is no forward pass.
constexpr uint64_t kMaxSourceBytes = 8 << 20;

template <typename T>
void AddOnce(std::vector<std::string>& list, const T& text) {
  const std::string entry(text);
  if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
}

// Steps of one load, each adding to `info`.
class Load {
 public:
  Load(const LoadOptions& options, const ModelConfig& config) : options_(options), config_(config) {}

  absl::StatusOr<Module> MakeModule(const VersionFiles& files) {
    info_.file_path = files.model->name();
    info_.format = Name(files.format);
    info_.file_bytes = static_cast<int64_t>(files.model->size());
    TF_ASSIGN_OR_RETURN(info_.sha256, Sha256(*files.model));
    if (files.architecture_file != nullptr) info_.architecture = files.architecture_file->name();
    std::optional<Module> module;
    if (files.format == FileFormat::kTorchScript) {
      TF_ASSIGN_OR_RETURN(module, LoadArchive(files.model, files.model_path, /*is_model=*/true));
    } else {
      TF_ASSIGN_OR_RETURN(module, LoadStateDict(files));
    }
    if (!module->find_method("forward").has_value()) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no forward method", info_.file_path);
    }
    if (!options_.trust_model_code) {
      TF_RETURN_IF_ERROR(Annotate(CheckGraphs(*module), SourceName(files)));
    }
    TF_ASSIGN_OR_RETURN(state_, FindState(*module, info_.file_path));
    module->eval();
    return *std::move(module);
  }

  absl::StatusOr<LoadedModel> Place(Module module) {
    const DeviceRequest request = RequestedDevice(config_, options_.default_device);
    TF_RETURN_IF_ERROR(CheckType(request));
    TF_ASSIGN_OR_RETURN(const PlacementPlan plan, PlanPlacement(request, config_, options_.devices, info_.saved_devices));
    info_.requested_device = plan.requested;
    info_.fallback = plan.fallback;
    info_.fallback_reason = plan.fallback_reason;
    info_.decisions.insert(info_.decisions.end(), plan.decisions.begin(), plan.decisions.end());
    DescribeState();
    TF_ASSIGN_OR_RETURN(ModelSignature signature, MakeSignature(module.get_method("forward").function().getSchema(), config_));
    try {
      MoveModule(module, ToTorch(plan.device));
      return LoadedModel{
          MakeTorchModel(std::move(module), std::move(signature), plan.device, std::move(state_)),
          std::move(info_)};
    } catch (const std::exception& error) {
      return Annotate(StatusOf(error, absl::StatusCode::kInternal), "moving to " + ToString(plan.device));
    }
  }

 private:
  // A type that no provider has is a mistake, not an absent device.
  absl::Status CheckType(const DeviceRequest& request) const {
    const auto device = ParseDeviceId(request.device);
    const auto& types = options_.device_types;
    if (request.device == "auto" || request.device == "saved" || !device.ok() || std::find(types.begin(), types.end(), device->type) != types.end()) {
      return absl::OkStatus();
    }
    return MakeStatus(absl::StatusCode::kInvalidArgument, "{} is \"{}\", a type of device that this server does not have; it knows: {}",
                      request.source, request.device, fmt::join(types, ", "));
  }

  static std::string SourceName(const VersionFiles& files) {
    return files.architecture_file != nullptr ? files.architecture_file->name() : files.model->name();
  }

  absl::StatusOr<Module> LoadArchive(const std::shared_ptr<const File>& file, const std::string& path, bool is_model) {
    TF_ASSIGN_OR_RETURN(const TorchScriptInfo description, DescribeTorchScript(file));
    if (is_model) Describe(description.producer, description.storages, description.dtypes);
    for (size_t i = 0; i < description.code_files.size() && !options_.trust_model_code; ++i) {
      TF_RETURN_IF_ERROR(ScanSource(description.code_texts[i], file->name() + "/" + description.code_files[i]));
    }
    try {
      // To the CPU whatever the archive says: where it was saved is not where it runs.
      return torch::jit::load(path, at::kCPU, /*load_debug_files=*/false);
    } catch (const std::exception& error) {
      return Annotate(StatusOf(error, absl::StatusCode::kDataLoss), file->name() + ": LibTorch cannot load it");
    }
  }

  absl::StatusOr<Module> LoadStateDict(const VersionFiles& files) {
    TF_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(files.model));
    std::vector<DType> dtypes;
    for (const TensorInfo& tensor : checkpoint->tensors()) dtypes.push_back(tensor.dtype);
    Describe(checkpoint->producer(), checkpoint->storages(), dtypes);
    TF_ASSIGN_OR_RETURN(const auto tensors, ReadTensors(*checkpoint));
    if (files.architecture == Architecture::kTorchScript) {
      TF_ASSIGN_OR_RETURN(const FileFormat format, Recognise(*files.architecture_file));
      if (format != FileFormat::kTorchScript) {
        return MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "{} is a {}; an architecture is a TorchScript archive: torch.jit.script(Model()).save(\"architecture.pt\")",
                          files.architecture_file->name(), Name(format));
      }
      TF_ASSIGN_OR_RETURN(Module module, LoadArchive(files.architecture_file, files.architecture_path, /*is_model=*/false));
      TF_RETURN_IF_ERROR(FillModule(module, tensors, config_.state_dict.strict, files.model->name(), info_.decisions));
      return module;
    }
    TF_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors));
    TF_ASSIGN_OR_RETURN(const std::string source, ReadSource(*files.architecture_file));
    TF_RETURN_IF_ERROR(DefineForward(module, source, files.architecture_file->name()));
    return module;
  }

  static absl::StatusOr<std::string> ReadSource(const File& file) {
    if (file.size() > kMaxSourceBytes) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {} bytes; at most {} are read as source", file.name(), file.size(),
                        kMaxSourceBytes);
    }
    std::string source(file.size(), '\0');
    TF_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span(source))));
    return source;
  }

  void Describe(const std::string& producer, const std::vector<StorageInfo>& storages, const std::vector<DType>& dtypes) {
    info_.producer = producer;
    for (const StorageInfo& storage : storages) AddOnce(info_.saved_devices, storage.saved_device);
    for (const DType dtype : dtypes) AddOnce(info_.saved_dtypes, Name(dtype));
  }

  void DescribeState() {
    if (!state_.has_value()) return;
    info_.decisions.push_back(
        fmt::format("keeps state: {}; each stream has its own copy, not batched", state_->reason));
    if (config_.dynamic_batching.has_value()) {
      info_.decisions.push_back(
          "dynamic_batching is not used: requests of a model that keeps state share no forward "
          "pass");
    }
  }

  const LoadOptions& options_;
  const ModelConfig& config_;
  ModelInfo info_;
  std::optional<ModuleState> state_;
};

}  // namespace

absl::StatusOr<LoadedModel> LoadVersion(const LoadOptions& options, const std::string& model, int64_t version,
                                        const ModelConfig& config) {
  TF_ASSIGN_OR_RETURN(const VersionFiles files, FindVersionFiles(options.store, model, version, config));
  Load load(options, config);
  TF_ASSIGN_OR_RETURN(Module module, load.MakeModule(files));
  return load.Place(std::move(module));
}

absl::Status ExportTorchScript(const LoadOptions& options, const std::string& model, int64_t version, const ModelConfig& config,
                               const std::string& output_path) {
  TF_ASSIGN_OR_RETURN(const VersionFiles files, FindVersionFiles(options.store, model, version, config));
  TF_ASSIGN_OR_RETURN(const Module module, Load(options, config).MakeModule(files));
  try {
    module.save(output_path);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

}  // namespace torchferry
