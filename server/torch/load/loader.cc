#include "server/torch/load/loader.h"

#include <ATen/Parallel.h>
#include <torch/script.h>

#include <memory>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/plan/load_plan.h"
#include "server/plan/version_files.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/version_load.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// A version up to this has a standby on the CPU unless the configuration says otherwise: its weights are then in the
// host's memory once more.
constexpr uint64_t kMostStandbyBytes = uint64_t{1} << 30;

absl::StatusOr<std::shared_ptr<VersionLoad>> Begin(const LoadOptions& options, const std::string& model,
                                                   int64_t version, const config::ModelConfig& config) {
  FERRY_ASSIGN_OR_RETURN(plan::VersionFiles files, plan::FindVersionFiles(options.store, model, version, config));
  FERRY_ASSIGN_OR_RETURN(plan::PlannedVersion planned, plan::PlanVersion(files, config, options.host));
  return std::make_shared<VersionLoad>(std::move(files), std::move(planned), options, config);
}

// The calling thread's operators use so many threads. More than a worker's would wait for one
// another while requests run: code that a module runs at load then takes ten times as long.
class IntraOpThreads {
 public:
  explicit IntraOpThreads(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~IntraOpThreads() { at::set_num_threads(before_); }
  IntraOpThreads(const IntraOpThreads&) = delete;
  IntraOpThreads& operator=(const IntraOpThreads&) = delete;

 private:
  const int before_;
};

// Whatever LibTorch throws where nobody expects it ends this version, not the server.
template <typename Run>
auto Guarded(const std::string& what, const LoadOptions& options, const Run& run) -> decltype(run()) {
  try {
    const IntraOpThreads as_on_a_worker(options.intra_op_threads);
    return run();
  } catch (const std::exception& error) {
    return base::Annotate(StatusOf(error, absl::StatusCode::kInvalidArgument), what);
  }
}

// How it is placed on further devices: from the module that was read, kept in the host's memory; or from the files,
// read once more.
std::function<absl::StatusOr<model::PlacedModel>(const tensor::DeviceId&)> FurtherPlacements(
    std::shared_ptr<VersionLoad> load, const Module& module, bool keeps_module, const LoadOptions& options,
    const std::string& model, int64_t version, const config::ModelConfig& config) {
  const std::string what = fmt::format("{}/{}", model, version);
  if (keeps_module) {
    load->CloseFiles();
    return [load, module, what, options](const tensor::DeviceId& device) {
      return Guarded(what, options, [&] { return load->PlaceOn(module, device); });
    };
  }
  return [identity = load->FileIdentity(), options, model, version, config, what](const tensor::DeviceId& device) {
    return Guarded(what, options, [&]() -> absl::StatusOr<model::PlacedModel> {
      FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<VersionLoad> again, Begin(options, model, version, config));
      if (again->FileIdentity() != identity) {
        return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                "{}: its files have changed since it was loaded; load the version again", what);
      }
      FERRY_ASSIGN_OR_RETURN(const Module fresh, again->MakeModule());
      return again->PlaceOn(fresh, device);
    });
  };
}

}  // namespace

absl::StatusOr<model::LoadedModel> LoadVersion(const LoadOptions& options, const std::string& model, int64_t version,
                                               const config::ModelConfig& config) {
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<VersionLoad> load, Begin(options, model, version, config));
  return Guarded(fmt::format("{}/{}", model, version), options, [&]() -> absl::StatusOr<model::LoadedModel> {
    FERRY_ASSIGN_OR_RETURN(const Module module, load->MakeModule());
    FERRY_ASSIGN_OR_RETURN(model::PlacedModel placed, load->Place(module));
    model::LoadedModel loaded{std::move(placed.model), std::move(placed.info)};
    loaded.rather = load->Rather();
    loaded.others = load->Others();
    if (loaded.rather.empty() && loaded.others.empty()) return loaded;
    const bool has_standby = config.fallback_warm.value_or(load->weight_bytes() <= kMostStandbyBytes);
    if (has_standby && !loaded.others.empty()) loaded.standby = tensor::DeviceId::Cpu();
    loaded.place = FurtherPlacements(load, module, has_standby, options, model, version, config);
    return loaded;
  });
}

absl::Status ExportTorchScript(const LoadOptions& options, const std::string& model, int64_t version,
                               const config::ModelConfig& config, const std::string& output_path) {
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<VersionLoad> load, Begin(options, model, version, config));
  try {
    FERRY_ASSIGN_OR_RETURN(const Module module, load->MakeModule());
    module.save(output_path);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
