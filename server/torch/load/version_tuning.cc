#include "server/torch/load/version_tuning.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "server/base/status.h"
#include "server/torch/device/runtime.h"
#include "server/torch/load/graph_variant.h"

namespace torchferry::libtorch {
namespace {

// Most that a variant's outputs may differ from those of the graph as it was saved, of an output's largest magnitude.
constexpr double kTolerance = 1e-4;
constexpr double kHalfTolerance = 0.03;

// Copies of the weights that a search may hold at the same time.
constexpr uint64_t kCopies = 4;

// By what it is, where there is no name: a host's GPUs are told apart by their memory.
std::string TextOf(const tensor::DeviceId& device) {
  if (device.IsCpu()) return "cpu";
  const auto memory = TorchRuntime::MemoryOf(device);
  return fmt::format("{} {}", device.type, memory.has_value() ? memory->total : 0);
}

// "x FP32 [-1,3,224,224]; …"
std::string TextOf(const tensor::Signature& signature) {
  std::string text;
  for (const tensor::TensorSpec& spec : signature.inputs) {
    text += fmt::format("{}{} {} {}", text.empty() ? "" : "; ", spec.name, Name(spec.dtype),
                        spec.shape.has_value() ? tensor::ToString(*spec.shape) : "any");
  }
  return text;
}

std::string TextOf(const std::vector<config::WarmUp>& warm_ups) {
  std::string text;
  if (warm_ups.empty()) return text;
  for (const config::WarmUpInput& input : warm_ups[0].inputs) {
    text += fmt::format("{}{} {} {} {}", text.empty() ? "" : "; ", input.name, Name(input.dtype),
                        tensor::ToString(input.dims),
                        input.data == config::WarmUpInput::Data::kFile   ? input.file
                        : input.data == config::WarmUpInput::Data::kZero ? "zero"
                                                                         : "random");
  }
  return text;
}

// At the same time, as the server would have them there.
int WorkersOnAccelerator(const LoadOptions& options, const config::ModelConfig& config) {
  const int workers = std::max(1, options.tuning.processors / std::max(1, options.intra_op_threads));
  const int instances = config::InstancesOnAccelerator(config, /*is_stateful=*/false);
  return instances == 0 ? workers : std::min(instances, workers);
}

std::shared_ptr<model::Model> MakeVariant(const MasterModule& master, const plan::LoadPlan& plan,
                                          const PlacedCopy& copy, const std::string& variant) {
  const tensor::DeviceId& device = plan.placement.device;
  if (!variant.starts_with("bf16")) {
    PlacedCopy prepared = copy;
    prepared.module = PrepareGraph(copy.module, variant, prepared.code);
    return MakeModel(master, prepared, device);
  }
  // The weights themselves in BF16, instead of casts in each run where it gains.
  plan::PrecisionPlan cast = plan.precision;
  cast.autocast_bf16 = false;
  cast.from = {tensor::DType::kFp32};
  cast.to = tensor::DType::kBf16;
  PlacedCopy prepared = PlaceCopy(master, device, cast);
  const std::string_view way = variant == "bf16_channels_last" ? "channels_last" : "frozen";
  prepared.module = PrepareGraph(prepared.module, way, prepared.code);
  return MakeModel(master, prepared, device);
}

plan::TuningKey KeyOf(const VersionTuning& version, const std::string& precision) {
  plan::TuningKey key = version.key_of_files();
  key["device"] = TextOf(version.plan.placement.device);
  key["precision"] = precision;
  key["inputs"] = TextOf(version.master.signature.signature);
  key["warm_up"] = TextOf(version.request.config.warm_ups);
  return key;
}

}  // namespace

std::vector<std::string> VariantsFor(const config::OptimizeConfig& config, const VariantFacts& facts) {
  std::vector<std::string> variants;
  for (const std::string& variant : config::TuningVariants()) {
    const bool is_listed = config.mode == config::OptimizeConfig::Mode::kList;
    const bool is_wanted = !is_listed || std::ranges::count(config.variants, variant) > 0;
    const bool is_of_images = variant.ends_with("channels_last");
    const bool is_of_bf16 = variant.starts_with("bf16");
    const bool makes_sense = (!is_of_images || facts.has_images) && (!is_of_bf16 || facts.autocasts_bf16) &&
                             (variant != "inference" || facts.is_on_cpu);
    const bool is_safe = is_listed || (!is_of_bf16 && (!facts.branches || variant == "plain" || variant == "frozen"));
    if (is_wanted && makes_sense && is_safe) variants.push_back(variant);
  }
  return variants;
}

std::string ReasonNotToTune(bool is_stateful, uint64_t weight_bytes, uint64_t memory_bytes,
                            std::optional<uint64_t> free_bytes) {
  if (is_stateful) return "it keeps state";
  // One copy is there already.
  const bool has_free = !free_bytes.has_value() || (kCopies - 1) * weight_bytes <= *free_bytes;
  if ((memory_bytes > 0 && kCopies * weight_bytes > memory_bytes) || !has_free)
    return "the weights are too large to be in this host's memory several times";
  return "";
}

absl::StatusOr<Tuned> TuneVersion(const VersionTuning& version, const PlacedCopy& copy,
                                  std::shared_ptr<model::Model> plain, model::ModelInfo& info) {
  const config::ModelConfig& config = version.request.config;
  const LoadOptions& options = version.options;
  if (!IsTuningOn(options.tuning, config.optimize)) {
    if (IsTuningAsked(config.optimize))
      info.decisions.push_back("not tuned, although config.pbtxt asks for it: --deterministic");
    return Tuned{std::move(plain)};
  }
  const auto& budget = version.request.host.budget;
  const std::string reason =
      ReasonNotToTune(version.master.state.has_value(), version.plan.weight_bytes, options.tuning.memory_bytes,
                      budget == nullptr ? std::nullopt : budget->available());
  if (!reason.empty()) {
    info.decisions.push_back("not tuned: " + reason);
    return Tuned{std::move(plain)};
  }
  const bool is_on_cpu = version.plan.placement.device.IsCpu();
  const TuningTask task{
      .make = [master = version.master, plan = version.plan,
               copy](const std::string& variant) { return MakeVariant(master, plan, copy, variant); },
      .variants = VariantsFor(config.optimize, {.is_on_cpu = is_on_cpu,
                                                .has_images = HasImageWeights(copy.module),
                                                .branches = BranchesOnValues(copy.module),
                                                .autocasts_bf16 = version.plan.precision.autocast_bf16}),
      .config = config,
      .store = version.request.store,
      .example = version.master.example,
      .options = options.tuning,
      .intra_op_threads = options.intra_op_threads,
      .workers = is_on_cpu ? 0 : WorkersOnAccelerator(options, config),
      .tolerance = info.precision.find("16") == std::string::npos ? kTolerance : kHalfTolerance,
      .accept = version.accept,
      .may_search = version.may_search,
      .record_path = std::filesystem::path(version.model_path).replace_filename(plan::kTuningRecordName).string(),
      .key = KeyOf(version, info.precision)};
  return Tune(task, std::move(plain), info);
}

}  // namespace torchferry::libtorch
