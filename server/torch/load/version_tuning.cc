// What tuning has to know of a version.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/runtime.h"
#include "server/torch/load/graph_variant.h"
#include "server/torch/load/tuning.h"
#include "server/torch/load/version_load.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

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

}  // namespace

absl::StatusOr<std::shared_ptr<model::Model>> VersionLoad::Tuned(const Module& module, const Placed& placed,
                                                                 std::shared_ptr<model::Model> plain, bool may_search,
                                                                 model::ModelInfo& info) {
  if (!IsTuningOn(options_.tuning, request_.config.optimize)) {
    if (IsTuningAsked(request_.config.optimize))
      info.decisions.push_back("not tuned, although config.pbtxt asks for it: --deterministic");
    return plain;
  }
  if (state_.has_value()) {
    info.decisions.push_back("not tuned: it keeps state");
    return plain;
  }
  if (options_.tuning.memory_bytes > 0 && kCopies * weight_bytes() > options_.tuning.memory_bytes) {
    info.decisions.push_back("not tuned: the weights are too large to be in this host's memory several times");
    return plain;
  }
  const tensor::DeviceId& placement = planned_.plan.placement.device;
  TuningTask task{
      .make = [&](const std::string& variant) { return MakeVariant(module, placed, variant); },
      .variants = Variants(placed),
      .config = request_.config,
      .store = request_.store,
      .options = options_.tuning,
      .intra_op_threads = options_.intra_op_threads,
      .workers = placement.IsCpu() ? 0 : WorkersOnAccelerator(),
      .tolerance = info.precision.find("16") == std::string::npos ? kTolerance : kHalfTolerance,
      .may_search = may_search,
      .record_path = std::filesystem::path(files_.model_path).replace_filename(plan::kTuningRecordName).string(),
      .key = KeyOfFiles()};
  task.key["device"] = TextOf(placement);
  task.key["precision"] = info.precision;
  task.key["inputs"] = TextOf(signature_.signature);
  task.key["warm_up"] = TextOf(request_.config.warm_ups);
  return Tune(task, std::move(plain), info);
}

// At the same time, as the server would have them there.
int VersionLoad::WorkersOnAccelerator() const {
  const int workers = std::max(1, options_.tuning.processors / std::max(1, options_.intra_op_threads));
  const int instances = config::InstancesOnAccelerator(request_.config, /*is_stateful=*/false);
  return instances == 0 ? workers : std::min(instances, workers);
}

// Those that make sense for what it is and where it runs.
std::vector<std::string> VersionLoad::Variants(const Placed& placed) const {
  const bool is_on_cpu = planned_.plan.placement.device.IsCpu();
  const bool has_images = HasImageWeights(placed.module);
  const bool branches = BranchesOnValues(placed.module);
  std::vector<std::string> variants;
  for (const std::string& variant : config::TuningVariants()) {
    const bool is_listed = request_.config.optimize.mode == config::OptimizeConfig::Mode::kList;
    const bool is_wanted = !is_listed || std::ranges::find(request_.config.optimize.variants, variant) !=
                                             request_.config.optimize.variants.end();
    const bool is_of_images = variant.ends_with("channels_last");
    const bool is_of_bf16 = variant.starts_with("bf16");
    const bool makes_sense = (!is_of_images || has_images) && (!is_of_bf16 || planned_.plan.precision.autocast_bf16) &&
                             (variant != "inference" || is_on_cpu);
    // What made-up rows cannot show is left to whoever asks for it: inputs that 16 bits cannot hold, and branches that
    // other values take.
    const bool is_safe = is_listed || (!is_of_bf16 && (!branches || variant == "plain" || variant == "frozen"));
    if (is_wanted && makes_sense && is_safe) variants.push_back(variant);
  }
  return variants;
}

std::shared_ptr<model::Model> VersionLoad::MakeVariant(const Module& module, const Placed& placed,
                                                       const std::string& variant) const {
  const tensor::DeviceId& device = planned_.plan.placement.device;
  if (!variant.starts_with("bf16")) {
    Placed prepared = placed;
    prepared.module = PrepareGraph(placed.module, variant);
    return MakeModel(prepared, device);
  }
  // The weights themselves in BF16, instead of casts in each run where it gains.
  plan::PrecisionPlan cast = planned_.plan.precision;
  cast.autocast_bf16 = false;
  cast.from = {tensor::DType::kFp32};
  cast.to = tensor::DType::kBf16;
  Placed prepared = PlaceCopy(module, device, cast);
  prepared.module = PrepareGraph(prepared.module, variant == "bf16_channels_last" ? "channels_last" : "frozen");
  return MakeModel(prepared, device);
}

// The files that it is made of, by their content. Waits for the digest of a large one.
plan::TuningKey VersionLoad::KeyOfFiles() {
  if (architecture_digest_.empty() && files_.architecture_file != nullptr) {
    const checkpoint::FileDigest digest(files_.architecture_file);
    digest.Wait();
    architecture_digest_ = digest.Get();
  }
  digest_->Wait();
  return {{"sha256", digest_->Get()}, {"architecture", architecture_digest_}};
}

}  // namespace torchferry::libtorch
