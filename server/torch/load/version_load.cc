#include "server/torch/load/version_load.h"

#include <torch/csrc/jit/serialization/import.h>
#include <torch/script.h>

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/runtime.h"
#include "server/torch/graph/deny_list.h"
#include "server/torch/graph/module_hooks.h"
#include "server/torch/graph/place_module.h"
#include "server/torch/load/forward_source.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/load/warm_up.h"
#include "server/torch/run/torch_model.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// Loading waits for the digest of files up to this; that of a larger one is known some seconds later.
constexpr uint64_t kMostAwaitedBytes = uint64_t{256} << 20;

absl::StatusOr<Module> LoadArchive(const checkpoint::File& file, const std::string& path) {
  try {
    // To the CPU whatever the archive says: where it was saved is not where it runs.
    return torch::jit::load(path, at::kCPU, /*load_debug_files=*/false);
  } catch (const std::exception& error) {
    return base::Annotate(StatusOf(error, absl::StatusCode::kDataLoss), file.name() + ": LibTorch cannot load it");
  }
}

// Why a device is passed over.
std::string ReasonOf(const absl::Status& status) {
  if (model::DeviceFaultOf(status) == model::DeviceFault::kLost) return "device_lost";
  return status.code() == absl::StatusCode::kResourceExhausted ? "out_of_memory" : "load_failed";
}

std::string NameOf(const std::shared_ptr<const checkpoint::File>& file) { return file == nullptr ? "" : file->name(); }

}  // namespace

VersionLoad::VersionLoad(plan::LoadRequest request, plan::PlannedFiles version, LoadOptions options)
    : request_(std::move(request)),
      files_(std::move(version.files)),
      planned_(std::move(version.planned)),
      options_(std::move(options)),
      file_name_(files_.model->name()),
      file_bytes_(files_.model->size()),
      architecture_name_(NameOf(files_.architecture_file)) {
  if (!IsLarge()) StartDigest();
}

bool VersionLoad::IsLarge() const { return file_bytes_ > kMostAwaitedBytes; }

void VersionLoad::StartDigest() {
  digest_ = std::make_shared<checkpoint::FileDigest>(files_.model, [name = file_name_](const std::string& hex) {
    base::LogInfo("file digest", {{"file", name}, {"sha256", hex}});
  });
}

std::string VersionLoad::FileIdentity() const {
  return files_.model->identity() +
         (files_.architecture_file == nullptr ? "" : " " + files_.architecture_file->identity());
}

void VersionLoad::CloseFiles() {
  files_.model.reset();
  files_.architecture_file.reset();
  planned_.checkpoint.reset();
}

absl::StatusOr<Module> VersionLoad::MakeModule() {
  FERRY_RETURN_IF_ERROR(files_.missing);
  std::optional<Module> module;
  if (files_.format == checkpoint::FileFormat::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(module, LoadArchive(*files_.model, files_.model_path));
  } else {
    FERRY_ASSIGN_OR_RETURN(module, LoadStateDict());
  }
  if (!module->find_method("forward").has_value()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no forward method", file_name_);
  }
  if (!request_.host.trust_model_code) {
    FERRY_RETURN_IF_ERROR(base::Annotate(CheckGraphs(*module), SourceFile().name()));
  }
  module->eval();
  *module = WithHooks(*module);
  FERRY_ASSIGN_OR_RETURN(state_, FindState(*module, file_name_));
  return *std::move(module);
}

absl::StatusOr<model::PlacedModel> VersionLoad::Place(const Module& module) {
  // A large file's bytes are read first and hashed after that: the two would share the processors.
  if (IsLarge()) StartDigest();
  if (!IsLarge()) digest_->Wait();
  FERRY_ASSIGN_OR_RETURN(signature_,
                         MakeSignature(module.get_method("forward").function().getSchema(), request_.config));
  while (true) {
    absl::StatusOr<model::PlacedModel> placed = PlaceOnce(module, /*may_search=*/true);
    const tensor::DeviceId device = planned_.plan.placement.device;
    if (device.IsCpu() || !model::IsOfDevice(placed.status())) return placed;
    base::LogWarning(
        "device not used",
        {{"file", file_name_}, {"device", tensor::ToString(device)}, {"reason", base::MessageOf(placed.status())}});
    if (options_.on_device_fault) options_.on_device_fault(device, placed.status());
    TorchRuntime::ReleaseCachedMemory(device);
    ruled_out_[tensor::ToString(device)] = ReasonOf(placed.status());
    FERRY_RETURN_IF_ERROR(base::Annotate(plan::Replan(planned_, request_.config, request_.host, ruled_out_),
                                         base::MessageOf(placed.status())));
  }
}

absl::StatusOr<model::PlacedModel> VersionLoad::PlaceOn(const Module& module, const tensor::DeviceId& device) {
  plan::RuledOut others;
  for (const tensor::DeviceId& other : request_.host.devices) {
    if (other != device && !other.IsCpu()) others.emplace(tensor::ToString(other), "stand_by");
  }
  if (signature_.signature.inputs.empty()) {
    FERRY_ASSIGN_OR_RETURN(signature_,
                           MakeSignature(module.get_method("forward").function().getSchema(), request_.config));
  }
  if (digest_ == nullptr) StartDigest();
  FERRY_RETURN_IF_ERROR(plan::Replan(planned_, request_.config, request_.host, others));
  if (planned_.plan.placement.device != device) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted, "{} has no room for the weights",
                            tensor::ToString(device));
  }
  return PlaceOnce(module, /*may_search=*/false);  // requests wait
}

std::vector<tensor::DeviceId> VersionLoad::Rather() const {
  std::vector<tensor::DeviceId> rather;
  for (const tensor::DeviceId& device : request_.host.devices) {
    const auto found = ruled_out_.find(tensor::ToString(device));
    if (found != ruled_out_.end() && found->second != "device_lost") rather.push_back(device);
  }
  return rather;
}

std::vector<tensor::DeviceId> VersionLoad::Others() const {
  const plan::PlacementPlan& placement = planned_.plan.placement;
  if (placement.device.IsCpu()) return {};
  if (placement.requested != "auto") {
    return request_.config.fallback == config::FallbackPolicy::kNone ? std::vector<tensor::DeviceId>()
                                                                     : std::vector{tensor::DeviceId::Cpu()};
  }
  std::vector<tensor::DeviceId> others;
  for (const tensor::DeviceId& device : request_.host.devices) {
    if (device != placement.device && !ruled_out_.contains(tensor::ToString(device))) others.push_back(device);
  }
  return others;
}

// RESOURCE_EXHAUSTED and UNAVAILABLE are the device's.
absl::StatusOr<model::PlacedModel> VersionLoad::PlaceOnce(const Module& module, bool may_search) {
  const tensor::DeviceId& device = planned_.plan.placement.device;
  model::ModelInfo info = Describe();
  try {
    Placed placed = PlaceCopy(module, device, planned_.plan.precision);
    info.rewritten_constants = placed.rewritten.count();
    if (info.rewritten_constants > 0) {
      info.decisions.push_back(fmt::format("rewrote what its code says: {} devices, {} element types and {} tensors",
                                           placed.rewritten.devices, placed.rewritten.dtypes,
                                           placed.rewritten.tensors));
    }
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> model, Tried(module, placed, device, info));
    FERRY_ASSIGN_OR_RETURN(model, Tuned(module, placed, std::move(model), may_search, info));
    FERRY_RETURN_IF_ERROR(base::Annotate(
        RunWarmUps(*model, request_.config, request_.store + "/" + request_.config.name, info), file_name_));
    return model::PlacedModel{model, std::move(info)};
  } catch (const std::exception& error) {
    const auto code = device.IsCpu() ? absl::StatusCode::kInternal : absl::StatusCode::kUnavailable;
    return base::Annotate(StatusOf(error, code), "moving to " + tensor::ToString(device));
  }
}

VersionLoad::Placed VersionLoad::PlaceCopy(const Module& module, const tensor::DeviceId& device,
                                           const plan::PrecisionPlan& precision) const {
  RewriteTarget target{ToTorch(device), RenamesCpu(), {}, ToTorch(precision.to).value()};
  for (const tensor::DType type : precision.from) target.from.push_back(ToTorch(type).value());
  auto [placed, rewritten] = PlaceModule(module, target);
  PrecisionBorder border;
  if (precision.changes()) {
    const Module saved = PlaceModule(module, {at::kCPU, RenamesCpu(), {}, at::kFloat}).module;
    border = PrecisionBorder(precision, saved, state_, signature_);
  }
  return {std::move(placed), std::move(rewritten), std::move(border)};
}

std::shared_ptr<model::Model> VersionLoad::MakeModel(const Placed& placed, const tensor::DeviceId& device) const {
  return MakeTorchModel(placed.module, signature_, device, state_, placed.border);
}

// Whether "cpu" in the code is where the module was. A forward.py was written for wherever it runs.
bool VersionLoad::RenamesCpu() const {
  if (!planned_.script.has_value()) return true;
  const std::vector<std::string>& devices = planned_.script->weight_devices;
  return devices.empty() || std::ranges::find(devices, "cpu") != devices.end();
}

// The model, run once where the config declares its inputs and either it computes in less than FP32, or they are of
// other types than its weights: FAILED_PRECONDITION when it does not run and would in FP32. Where it was made to
// compute in less, measures what that does to the outputs.
absl::StatusOr<std::shared_ptr<model::Model>> VersionLoad::Tried(const Module& module, Placed& placed,
                                                                 const tensor::DeviceId& device,
                                                                 model::ModelInfo& info) {
  std::shared_ptr<model::Model> model = MakeModel(placed, device);
  const bool changes = planned_.plan.precision.changes();
  const bool is_half = info.precision.find("16") != std::string::npos;
  const std::vector<tensor::DType> other_types = TypesThatInputsLack();
  if ((!is_half && !changes && other_types.empty()) || state_.has_value()) return model;
  const std::optional<tensor::BoundInputs> inputs = MadeUpInputs(signature_.signature);
  if (!inputs.has_value()) {
    if (is_half && changes)
      info.decisions.push_back("deviation from FP32 not measured: config.pbtxt does not declare each input");
    return model;
  }
  const tensor::BoundInputs* const requests[] = {&*inputs};
  model::PhaseTimes ignored;
  auto outputs = model->Predict(requests, ignored);
  for (const tensor::DType type : other_types) {
    if (outputs.ok() || model::IsOfDevice(outputs.status())) break;
    placed.border.CastInputs(ToTorch(type).value());
    const std::shared_ptr<model::Model> other = MakeModel(placed, device);
    auto other_outputs = other->Predict(requests, ignored);
    if (!other_outputs.ok() && !model::IsOfDevice(other_outputs.status())) continue;
    model = other;
    outputs = std::move(other_outputs);
    info.decisions.push_back(
        fmt::format("inputs are cast to {}, the weights' type; config.pbtxt declares another", Name(type)));
  }
  if (model::IsOfDevice(outputs.status()))
    return base::Annotate(outputs.status(), "running on " + tensor::ToString(device));
  // In full precision it was only to see which types it takes and gives, before a request waits for that.
  if (!is_half || (outputs.ok() && !changes)) return model;
  const plan::PrecisionPlan full =
      plan::PlanPrecision(config::Precision::kFp32, planned_.weight_dtypes, tensor::DeviceId::Cpu(), false);
  Placed in_full = PlaceCopy(module, tensor::DeviceId::Cpu(), full);
  if (std::ranges::find(planned_.weight_dtypes, tensor::DType::kFp64) == planned_.weight_dtypes.end())
    in_full.border.CastInputs(at::kFloat);
  const std::shared_ptr<model::Model> reference = MakeModel(in_full, tensor::DeviceId::Cpu());
  const auto expected = reference->Predict(requests, ignored);
  if (!expected.ok()) {
    info.decisions.push_back(fmt::format("not tried in {}: the model does not run on a made-up row: {}", info.precision,
                                         base::MessageOf(expected.status())));
    return model;
  }
  if (!outputs.ok()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}: forward fails in {}{}: {}. It runs in FP32: set torchferry {{ precision: FP32 }}",
                            file_name_, info.precision, DeclaredInputs(), base::MessageOf(outputs.status()));
  }
  FERRY_ASSIGN_OR_RETURN(info.precision_deviation, Deviation(*outputs, *expected));
  info.decisions.push_back(
      fmt::format("deviation from FP32: {:.1e} of the largest output, by one made-up row", *info.precision_deviation));
  return model;
}

// Floating types that weights are computed in, where an input is declared as a floating type and none of these.
std::vector<tensor::DType> VersionLoad::TypesThatInputsLack() const {
  std::vector<tensor::DType> types;
  for (const tensor::DType saved : planned_.weight_dtypes) {
    const bool is_cast = std::ranges::find(planned_.plan.precision.from, saved) != planned_.plan.precision.from.end();
    if (tensor::IsFloating(saved)) types.push_back(is_cast ? planned_.plan.precision.to : saved);
  }
  const bool lacks = std::ranges::any_of(signature_.signature.inputs, [&](const tensor::TensorSpec& spec) {
    return tensor::IsFloating(spec.dtype) && std::ranges::find(types, spec.dtype) == types.end();
  });
  return lacks ? types : std::vector<tensor::DType>();
}

// ", input \"x\" being FP32".
std::string VersionLoad::DeclaredInputs() const {
  std::string text;
  for (const tensor::TensorSpec& spec : signature_.signature.inputs) {
    text += fmt::format("{} input \"{}\" being {}", text.empty() ? "," : " and", spec.name, Name(spec.dtype));
  }
  return text;
}

const checkpoint::File& VersionLoad::SourceFile() const {
  return files_.format != checkpoint::FileFormat::kTorchScript ? *files_.architecture_file : *files_.model;
}

absl::StatusOr<Module> VersionLoad::LoadStateDict() {
  const std::string& name = file_name_;
  if (files_.architecture == plan::Architecture::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(Module module, LoadArchive(*files_.architecture_file, files_.architecture_path));
    FERRY_RETURN_IF_ERROR(base::Annotate(FillModule(module, *planned_.checkpoint, planned_.names), name));
    return module;
  }
  FERRY_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(*planned_.checkpoint, planned_.names));
  FERRY_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors));
  FERRY_ASSIGN_OR_RETURN(const std::string source, plan::ReadSource(*files_.architecture_file));
  FERRY_RETURN_IF_ERROR(DefineForward(module, source, files_.architecture_file->name()));
  return module;
}

model::ModelInfo VersionLoad::Describe() const {
  const plan::LoadPlan& plan = planned_.plan;
  model::ModelInfo info;
  info.file_path = file_name_;
  info.format = Name(plan.format);
  info.producer = plan.producer;
  info.saved_devices = plan.saved_devices;
  info.saved_dtypes = plan.saved_dtypes;
  info.file_bytes = static_cast<int64_t>(file_bytes_);
  info.sha256 = [digest = digest_] { return digest->Get(); };
  if (plan.format != checkpoint::FileFormat::kTorchScript) info.architecture = architecture_name_;
  info.state_dict_key = plan.state_dict_key;
  info.removed_prefixes = plan.removed_prefixes;
  info.requested_device = plan.placement.requested;
  info.fallback = plan.placement.fallback;
  info.fallback_from = plan.placement.fallback_from;
  info.precision = plan.precision.computes_in;
  info.fallback_reason = plan.placement.fallback_reason;
  info.decisions = plan.decisions;
  DescribeState(info.decisions);
  return info;
}

void VersionLoad::DescribeState(std::vector<std::string>& decisions) const {
  if (!state_.has_value()) return;
  decisions.push_back(fmt::format("keeps state: {}; each stream has its own copy, not batched", state_->reason));
  if (request_.config.dynamic_batching.has_value()) {
    decisions.push_back(
        "dynamic_batching is not used: requests of a model that keeps state share no forward "
        "pass");
  }
}

}  // namespace torchferry::libtorch
