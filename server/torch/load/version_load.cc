#include "server/torch/load/version_load.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/plan/further_devices.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/runtime.h"
#include "server/torch/graph/reachable_graph.h"
#include "server/torch/graph/row_dimensions.h"
#include "server/torch/load/precision_trial.h"
#include "server/torch/load/program_example.h"
#include "server/torch/load/read_module.h"
#include "server/torch/load/row_trial.h"
#include "server/torch/load/tuning.h"
#include "server/torch/load/version_tuning.h"
#include "server/torch/load/warm_up.h"
#include "server/torch/run/random_turn.h"

namespace torchferry::libtorch {
namespace {

// Loading waits for the digest of files up to this; that of a larger one is known some seconds later.
constexpr uint64_t kMaxAwaitedBytes = uint64_t{256} << 20;

bool IsLarge(uint64_t file_bytes) { return file_bytes > kMaxAwaitedBytes; }

std::shared_ptr<const checkpoint::FileDigest> StartDigest(const std::shared_ptr<const checkpoint::File>& file) {
  return std::make_shared<checkpoint::FileDigest>(file, [name = file->name()](const std::string& hex) {
    base::LogInfo("file digest", {{"file", name}, {"sha256", hex}});
  });
}

// Nothing where it cannot be analysed.
std::shared_ptr<torch::jit::Graph> GraphOrNull(const torch::jit::Module& module) {
  try {
    return ReachableGraph(module);
  } catch (const std::exception&) {
    return nullptr;
  }
}

// By which a tuning result is kept, beside that of the model.
std::shared_ptr<const checkpoint::FileDigest> StartArchitectureDigest(const plan::VersionFiles& files,
                                                                      const plan::LoadRequest& request,
                                                                      const LoadOptions& options) {
  if (files.architecture_file == nullptr || !IsTuningOn(options.tuning, request.config.optimize)) return nullptr;
  return std::make_shared<checkpoint::FileDigest>(files.architecture_file);
}

FileFacts FactsOf(const plan::VersionFiles& files) {
  return {.name = files.model->name(),
          .path = files.model_path,
          .bytes = files.model->size(),
          .architecture = files.architecture_file == nullptr ? "" : files.architecture_file->name(),
          .digest = nullptr};
}

void DescribeRewriting(const Rewritten& rewritten, model::ModelInfo& info) {
  info.rewritten_constants = rewritten.count();
  if (info.rewritten_constants == 0) return;
  info.decisions.push_back(fmt::format("rewrote what its code says: {} devices, {} element types and {} tensors",
                                       rewritten.devices, rewritten.dtypes, rewritten.tensors));
}

// Of forward, and of what its code tells where that is needed.
absl::StatusOr<ModelSignature> SignatureOf(SavedModule& saved, OutputOrder order, config::ModelConfig& config) {
  const c10::FunctionSchema& schema = saved.module.get_method("forward").function().getSchema();
  const bool may_have_other_rows = config.max_batch_size > 0 && HasRecurrentOperators(saved.module);
  std::shared_ptr<torch::jit::Graph> graph;
  if (may_have_other_rows || HasDicts(schema)) graph = GraphOrNull(saved.module);
  FERRY_ASSIGN_OR_RETURN(ModelSignature signature, MakeSignature(schema, config, graph.get(), order));
  if (!may_have_other_rows || graph == nullptr) return signature;
  std::string warning = FindRowDimensions(*graph, signature);
  if (!warning.empty()) {
    saved.warnings.push_back(std::move(warning));
    config.dynamic_batching.reset();
    signature.signature.splits_oversized = false;
  }
  return signature;
}

bool RowsAreFirst(const tensor::Signature& signature) {
  return std::ranges::all_of(signature.inputs, [](const tensor::TensorSpec& spec) { return spec.row_dimension == 0; });
}

}  // namespace

std::string FileIdentity(const plan::VersionFiles& files) {
  std::string identity = files.model->identity();
  for (const auto& other : {files.architecture_file, files.passport_file}) {
    if (other != nullptr) identity += " " + other->identity();
  }
  return identity;
}

absl::StatusOr<std::shared_ptr<const VersionLoad>> VersionLoad::Read(plan::LoadRequest request,
                                                                     plan::PlannedFiles version, LoadOptions options,
                                                                     std::shared_ptr<model::ParityRecord> parity) {
  FileFacts file = FactsOf(version.files);
  if (!IsLarge(file.bytes)) file.digest = StartDigest(version.files.model);
  auto architecture_digest = StartArchitectureDigest(version.files, request, options);
  FERRY_ASSIGN_OR_RETURN(SavedModule saved,
                         ReadModule(version, request.host.trust_model_code, request.config.stateful));
  // A large file's bytes are read first and hashed after that: the two would share the processors.
  if (IsLarge(file.bytes)) file.digest = StartDigest(version.files.model);
  const bool is_program = version.planned.program != nullptr;
  FERRY_ASSIGN_OR_RETURN(ModelSignature signature,
                         SignatureOf(saved, is_program ? OutputOrder::kByPlace : OutputOrder::kByName, request.config));
  MasterModule master{.module = std::move(saved.module),
                      .state = std::move(saved.state),
                      .signature = std::move(signature),
                      .renames_cpu = RenamesCpu(version.planned),
                      .warnings = std::move(saved.warnings)};
  if (is_program) {
    absl::StatusOr<tensor::BoundInputs> example = ExampleRow(*version.planned.program, master.signature);
    if (example.ok())
      master.example = *std::move(example);
    else if (!absl::IsNotFound(example.status()))
      base::LogInfo("example inputs not used", {{"file", file.name}, {"reason", base::MessageOf(example.status())}});
  }
  version.planned.checkpoint.reset();
  version.planned.architecture_weights.reset();
  version.planned.program.reset();
  if (version.planned.script.has_value()) version.planned.script->content.reset();  // and with it the file
  return std::shared_ptr<const VersionLoad>(
      new VersionLoad(std::move(request), std::move(version.planned), std::move(options), std::move(file),
                      std::move(architecture_digest), std::move(master), std::move(parity)));
}

VersionLoad::VersionLoad(plan::LoadRequest request, plan::PlannedVersion planned, LoadOptions options, FileFacts file,
                         std::shared_ptr<const checkpoint::FileDigest> architecture_digest, MasterModule master,
                         std::shared_ptr<model::ParityRecord> parity)
    : request_(std::move(request)),
      planned_(std::move(planned)),
      options_(std::move(options)),
      file_(std::move(file)),
      architecture_digest_(std::move(architecture_digest)),
      master_(std::move(master)),
      parity_(parity != nullptr ? std::move(parity) : std::make_shared<model::ParityRecord>()) {}

absl::StatusOr<VersionLoad::FirstPlacement> VersionLoad::PlaceFirst() const {
  if (!IsLarge(file_.bytes)) file_.digest->Wait();
  const std::vector<tensor::DeviceId>& devices = request_.host.devices;
  plan::LoadPlan plan = planned_.plan;
  plan::Refusals refusals;
  while (true) {
    absl::StatusOr<Placed> placed = PlaceOnce(plan, /*may_search=*/true);
    if (placed.ok()) {
      return FirstPlacement{std::move(placed->model), plan::PreferredDevices(devices, refusals.devices),
                            plan::FallbackDevices(devices, refusals.devices, plan.placement, request_.config.fallback),
                            std::move(placed->idle_jobs)};
    }
    FERRY_ASSIGN_OR_RETURN(plan, NextPlan(plan, placed.status(), refusals));
  }
}

absl::StatusOr<plan::LoadPlan> VersionLoad::NextPlan(const plan::LoadPlan& plan, const absl::Status& why,
                                                     plan::Refusals& refusals) const {
  const tensor::DeviceId& device = plan.placement.device;
  if (model::IsOfParity(why)) {
    absl::StatusOr<plan::LoadPlan> next =
        plan::PlanAfterParity(planned_, request_.config, request_.host, plan, base::MessageOf(why), refusals);
    return next.ok() ? next : base::Annotate(next.status(), file_.name);
  }
  if (device.IsCpu() || !model::IsOfDevice(why)) return why;
  ReportFault(device, why);
  refusals.devices[tensor::ToString(device)] = model::FallbackReasonOf(why, tensor::FallbackReason::kLoadFailed);
  absl::StatusOr<plan::LoadPlan> next =
      plan::Replan(planned_, request_.config, request_.host, refusals.devices, refusals.in_full);
  if (!next.ok()) return base::Annotate(next.status(), base::MessageOf(why));
  next->decisions.insert(next->decisions.end(), refusals.sentences.begin(), refusals.sentences.end());
  return next;
}

void VersionLoad::ReportFault(const tensor::DeviceId& device, const absl::Status& status) const {
  base::LogWarning("device not used",
                   {{"file", file_.name}, {"device", tensor::ToString(device)}, {"reason", base::MessageOf(status)}});
  if (options_.on_device_fault) options_.on_device_fault(device, status);
  TorchRuntime::ReleaseCachedMemory(device);
}

absl::StatusOr<model::PlacedModel> VersionLoad::PlaceOn(const tensor::DeviceId& device) const {
  plan::RuledOut others;
  for (const tensor::DeviceId& other : request_.host.devices) {
    if (other != device && !other.IsCpu()) others.emplace(tensor::ToString(other), tensor::FallbackReason::kStandBy);
  }
  FERRY_ASSIGN_OR_RETURN(plan::LoadPlan plan, plan::Replan(planned_, request_.config, request_.host, others));
  if (plan.placement.device != device) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted, "{} has no room for the weights",
                            tensor::ToString(device));
  }
  // Requests wait. What might be done later is left.
  absl::StatusOr<Placed> placed = PlaceOnce(plan, /*may_search=*/false);
  const bool may_try_full = model::IsOfParity(placed.status()) &&
                            request_.config.fallback != config::FallbackPolicy::kNone &&
                            plan::HasFullPrecision(planned_, request_.config, request_.host, plan);
  if (may_try_full) {
    FERRY_ASSIGN_OR_RETURN(plan, plan::Replan(planned_, request_.config, request_.host, others,
                                              /*in_full=*/{tensor::ToString(device)}));
    placed = PlaceOnce(plan, /*may_search=*/false);
  }
  if (!placed.ok()) return placed.status();
  return std::move(placed->model);
}

absl::StatusOr<VersionLoad::Placed> VersionLoad::WarmUp(model::PlacedModel placed, const config::ModelConfig& config,
                                                        const base::StoreFolder& folder,
                                                        const tensor::BoundInputs* example) const {
  std::vector<model::IdleJob> jobs;
  absl::StatusOr<model::IdleJob> later = RunWarmUps({placed.model, config, folder, example}, placed.info);
  if (!later.ok()) return base::Annotate(later.status(), file_.name);
  const std::optional<model::TuningInfo>& tuning = placed.info.tuning;
  if (tuning.has_value() && tuning->latency.has_value()) {
    const std::shared_ptr<model::Model>& small = placed.small == nullptr ? placed.model : placed.small;
    auto at_latency = WarmUpAtLatency({small, config, folder, example}, *tuning->latency);
    if (!at_latency.ok()) return base::Annotate(at_latency.status(), file_.name);
    if (*at_latency != nullptr) jobs.push_back(*std::move(at_latency));
  }
  if (*later != nullptr) jobs.push_back(*std::move(later));
  return Placed{std::move(placed), std::move(jobs)};
}

absl::Status VersionLoad::TellParity(const ParityCheck& check, model::ParityInfo found, const plan::LoadPlan& plan,
                                     model::ModelInfo& info) const {
  if (!check.has_rows()) return absl::OkStatus();
  found.device = tensor::ToString(plan.placement.device);
  found.precision = info.precision;
  const bool is_as_wanted =
      found.state == model::ParityState::kPassed || request_.config.parity == config::ParityPolicy::kOff;
  (is_as_wanted ? info.decisions : info.warnings).push_back(SentenceOf(found));
  base::Log(is_as_wanted ? base::LogLevel::kInfo : base::LogLevel::kWarning, "golden rows",
            {{"file", file_.name},
             {"device", found.device},
             {"precision", found.precision},
             {"parity", Name(found.state)},
             {"difference", fmt::format("{:.3g}", found.difference)},
             {"allowed", fmt::format("{:.3g}", found.allowed)},
             {"detail", found.detail}});
  parity_->Set(found);
  if (options_.on_parity) options_.on_parity(request_.model, found);
  return check.Refuses(found) ? model::ParityStatus(found.detail) : absl::OkStatus();
}

model::ModelInfo VersionLoad::Describe(const plan::LoadPlan& plan) const {
  model::ModelInfo info = DescribeVersion(file_, plan, master_.state, request_.config);
  info.warnings = plan.warnings;
  info.warnings.insert(info.warnings.end(), master_.warnings.begin(), master_.warnings.end());
  info.decisions.insert(info.decisions.end(), master_.signature.decisions.begin(), master_.signature.decisions.end());
  info.shares_forward_passes = RowsAreFirst(master_.signature.signature);
  info.parity = parity_;
  if (planned_.passport != nullptr && planned_.passport->provenance != model::Provenance{})
    info.provenance = {planned_.passport, &planned_.passport->provenance};
  return info;
}

// RESOURCE_EXHAUSTED and UNAVAILABLE are the device's.
absl::StatusOr<VersionLoad::Placed> VersionLoad::PlaceOnce(const plan::LoadPlan& plan, bool may_search) const {
  const tensor::DeviceId& device = plan.placement.device;
  model::ModelInfo info = Describe(plan);
  MasterModule master = master_;
  plan::LoadRequest request = request_;
  const base::StoreFolder folder = request.store / request.config.name;
  const tensor::BoundInputs* const example = master.example.has_value() ? &*master.example : nullptr;
  try {
    PlacedCopy copy = PlaceCopy(master, device, plan.precision);
    DescribeRewriting(copy.rewritten, info);
    const PrecisionTrial trial{.master = master,
                               .precision = plan.precision,
                               .weight_types = planned_.weight_dtypes,
                               .device = device,
                               .file_name = file_.name};
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> model, TryPrecision(trial, copy, info));
    const bool is_random = RandomUseOf(copy.module) != RandomUse::kNone;
    const ParityCheck parity(planned_.passport, request.config.parity, is_random);
    if (may_search) {
      absl::StatusOr<RowFindings> found = TryRows(*model, request.config, folder, is_random, info, example);
      if (!found.ok()) return base::Annotate(found.status(), file_.name);
      if (!found->shares_forward_passes) {
        info.shares_forward_passes = false;
        request.config.dynamic_batching.reset();
      }
      for (auto& [output, shape] : found->output_shapes)
        master.signature.signature.outputs[output].shape = std::move(shape);
      if (!found->output_shapes.empty()) model = MakeModel(master, copy, device);
    }
    // Before a search, which would be in vain, and after it, for what serves.
    FERRY_ASSIGN_OR_RETURN(model::ParityInfo found, parity.Run({model}));
    if (parity.Refuses(found)) return TellParity(parity, std::move(found), plan, info);
    const VersionTuning tuning{.master = master,
                               .plan = plan,
                               .request = request,
                               .options = options_,
                               .model_path = file_.path,
                               .key_of_files = [this] { return KeyOfFiles(); },
                               .may_search = may_search,
                               .accept = parity.Acceptance()};
    FERRY_ASSIGN_OR_RETURN(Tuned tuned, TuneVersion(tuning, copy, std::move(model), info));
    FERRY_ASSIGN_OR_RETURN(found, parity.Run({tuned.model, tuned.small}));
    FERRY_RETURN_IF_ERROR(TellParity(parity, std::move(found), plan, info));
    model::PlacedModel made{.model = std::move(tuned.model), .info = std::move(info), .small = std::move(tuned.small)};
    FERRY_ASSIGN_OR_RETURN(Placed placed, WarmUp(std::move(made), request.config, folder, example));
    if (tuned.make_small) placed.idle_jobs.push_back(tuned.make_small(placed.model.info));
    if (tuned.refine) placed.idle_jobs.push_back(tuned.refine(placed.model.info));
    return placed;
  } catch (const std::exception& error) {
    const auto code = device.IsCpu() ? absl::StatusCode::kInternal : absl::StatusCode::kUnavailable;
    return base::Annotate(StatusOf(error, code), "moving to " + tensor::ToString(device));
  }
}

// The files that it is made of, by their content. Waits for the digest of a large one.
plan::TuningKey VersionLoad::KeyOfFiles() const {
  std::string architecture;
  if (architecture_digest_ != nullptr) {
    architecture_digest_->Wait();
    architecture = architecture_digest_->Get();
  }
  file_.digest->Wait();
  return {{"sha256", file_.digest->Get()}, {"architecture", architecture}};
}

}  // namespace torchferry::libtorch
