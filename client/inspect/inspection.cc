#include "client/inspect/inspection.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "client/inspect/config_suggestion.h"
#include "client/inspect/scaffold.h"
#include "server/base/status.h"
#include "server/config/config_file.h"
#include "server/host/host.h"
#include "server/host/memory.h"

namespace torchferry::client {
namespace {

namespace fs = std::filesystem;

plan::PlanContext ThisHost(const InspectOptions& options) {
  plan::PlanContext context;
  const int gpus = host::ProbeCudaDriver().device_count;
  for (int index = 0; index < gpus; ++index) context.devices.push_back({"cuda", index});
  context.devices.push_back(tensor::DeviceId::Cpu());
  context.device_types = {"cuda", "cpu"};
  context.default_device = options.device;
  context.has_native_bf16 = host::ProbeHost().HasNativeBf16();
  context.trust_model_code = options.trust_model_code;
  context.torchscript = options.torchscript;
  return context;
}

struct FoundConfig {
  bool is_there = false;
  config::ModelConfig config;
};

// STORE/MODEL/VERSION/FILE has its configuration in MODEL.
absl::StatusOr<FoundConfig> FindConfig(const std::string& path, const InspectOptions& options) {
  std::error_code error;
  fs::path file = fs::path(options.config);
  if (options.config.empty()) {
    const fs::path version = fs::absolute(path, error).lexically_normal().parent_path();
    if (!plan::IsVersionFolder(version.string())) return FoundConfig{};
    file = version.parent_path() / "config.pbtxt";
    if (!fs::exists(file, error)) return FoundConfig{};
    // Named as the user named the model.
    if (fs::path(path).is_relative()) file = file.lexically_proximate(fs::current_path(error));
  } else if (!fs::exists(file, error)) {
    return base::MakeStatus(absl::StatusCode::kNotFound, "{}: no such file", options.config);
  }
  const fs::path folder = fs::absolute(file, error).lexically_normal().parent_path();
  // One that was named by hand is read wherever it lies.
  const base::StoreFolder store(folder.parent_path().string(), options.follows_links_out || !options.config.empty());
  const base::StoreFolder model = store / folder.filename().string();
  FERRY_ASSIGN_OR_RETURN(config::ModelConfig config,
                         config::ReadModelConfig(model, file.string(), folder.filename().string()));
  return FoundConfig{true, std::move(config)};
}

// Null: every file may be looked into.
absl::StatusOr<std::shared_ptr<const checkpoint::TrustedDigests>> ReadTrusted(const InspectOptions& options) {
  if (options.trusted_digests.empty()) return nullptr;
  return checkpoint::TrustedDigests::Read(options.trusted_digests);
}

void AddStateDict(const plan::PlannedVersion& planned, Inspection& inspection) {
  const checkpoint::CheckpointIndex& index = planned.checkpoint->index();
  for (size_t i = 0; i < index.tensors.size(); ++i) {
    const checkpoint::TensorInfo& tensor = index.tensors[i];
    inspection.tensors.push_back({tensor.key, planned.names[i], tensor.dtype, tensor.shape, 0});
  }
  inspection.dicts = planned.outline.dicts;
  inspection.other_entries = index.other_entries;
}

void AddModule(const checkpoint::TorchScriptInfo& script, Inspection& inspection) {
  for (const checkpoint::ModuleTensor& entry : script.tensors) {
    inspection.tensors.push_back({entry.tensor.key, entry.tensor.key, entry.tensor.dtype, entry.tensor.shape, 0});
  }
}

// Sizes and sharing. `infos` are those of inspection.tensors.
void CountTensors(const std::vector<const checkpoint::TensorInfo*>& infos,
                  const std::vector<checkpoint::StorageInfo>& storages, Inspection& inspection) {
  using View = std::tuple<size_t, int64_t, tensor::Shape, std::vector<int64_t>, tensor::DType>;
  std::map<View, std::vector<std::string>> by_view;
  std::set<size_t> used;
  for (size_t i = 0; i < infos.size(); ++i) {
    const checkpoint::TensorInfo& info = *infos[i];
    InspectedTensor& tensor = inspection.tensors[i];
    uint64_t elements = 1;
    for (const int64_t dimension : info.shape) elements *= static_cast<uint64_t>(dimension);
    tensor.bytes = elements * static_cast<uint64_t>(tensor::ByteSize(info.dtype));
    ++inspection.dtype_counts[std::string(Name(info.dtype))];
    used.insert(info.storage);
    auto& sharers = by_view[{info.storage, info.storage_offset, info.shape, info.strides, info.dtype}];
    sharers.push_back(tensor.name.empty() ? tensor.key : tensor.name);
    if (sharers.size() == 1 && tensor::IsFloating(info.dtype)) inspection.parameters += elements;
  }
  for (const size_t storage : used) inspection.tensor_bytes += storages[storage].size_bytes;
  for (auto& [view, names] : by_view) {
    const bool is_empty = storages[std::get<0>(view)].size_bytes == 0;
    if (names.size() > 1 && !is_empty) inspection.tied.push_back(std::move(names));
  }
}

void AddTensors(const plan::PlannedVersion& planned, Inspection& inspection) {
  std::vector<const checkpoint::TensorInfo*> infos;
  if (planned.checkpoint != nullptr) {
    AddStateDict(planned, inspection);
    for (const checkpoint::TensorInfo& tensor : planned.checkpoint->tensors()) infos.push_back(&tensor);
    CountTensors(infos, planned.checkpoint->storages(), inspection);
    return;
  }
  AddModule(*planned.script, inspection);
  for (const checkpoint::ModuleTensor& entry : planned.script->tensors) infos.push_back(&entry.tensor);
  CountTensors(infos, planned.script->storages, inspection);
}

std::vector<InspectedArgument> ArgumentsOf(const std::vector<config::TensorConfig>& tensors, int64_t max_batch_size) {
  std::vector<InspectedArgument> arguments;
  for (const config::TensorConfig& tensor : tensors) {
    arguments.push_back({tensor.name, tensor.dtype, tensor.dims});
    if (max_batch_size > 0) arguments.back().shape.insert(arguments.back().shape.begin(), tensor::kAnyDim);
  }
  return arguments;
}

std::optional<InspectedProgram> ProgramOf(const plan::PlannedVersion& planned) {
  if (planned.program == nullptr) return std::nullopt;
  const config::ModelConfig& config = planned.config;
  return InspectedProgram{.name = planned.program->name,
                          .inputs = ArgumentsOf(config.inputs, config.max_batch_size),
                          .outputs = ArgumentsOf(config.outputs, config.max_batch_size),
                          .max_batch_size = config.max_batch_size,
                          .dynamic_batching = config.dynamic_batching.has_value()};
}

}  // namespace

absl::StatusOr<Inspection> Inspect(const std::string& path, const InspectOptions& options,
                                   const std::function<void(uint64_t, uint64_t)>& on_progress) {
  FERRY_ASSIGN_OR_RETURN(const FoundConfig found, FindConfig(path, options));
  FERRY_ASSIGN_OR_RETURN(const auto trusted, ReadTrusted(options));
  FERRY_ASSIGN_OR_RETURN(const plan::VersionFiles files,
                         plan::FindFilesOf(path, found.config, options.follows_links_out, trusted.get()));
  FERRY_ASSIGN_OR_RETURN(plan::PlannedVersion planned, plan::PlanVersion(files, found.config, ThisHost(options)));
  Inspection inspection;
  inspection.path = path;
  inspection.file_bytes = files.model->size();
  inspection.missing = files.missing;
  inspection.available_memory = host::AvailableMemory();
  inspection.has_config = found.is_there;
  if (planned.plan.uses_architecture) {
    inspection.architecture = files.architecture_file->name();
  }
  inspection.passport = planned.passport;
  inspection.program = ProgramOf(planned);
  AddTensors(planned, inspection);
  FERRY_ASSIGN_OR_RETURN(inspection.sha256, checkpoint::Sha256(*files.model, [&](uint64_t done) {
                           if (on_progress) on_progress(done, inspection.file_bytes);
                           return true;
                         }));
  inspection.plan = std::move(planned.plan);
  const bool is_signed = inspection.passport != nullptr && inspection.passport->signature.has_value();
  if (!found.is_there && !is_signed) inspection.suggested_config = SuggestConfig(inspection, planned.script);
  const bool has_code = files.format == checkpoint::FileFormat::kExportedProgram;
  if (planned.checkpoint != nullptr && !has_code) inspection.scaffold = ScaffoldForward(inspection);
  return inspection;
}

}  // namespace torchferry::client
