#include "server/torch/load/loader.h"

#include <ATen/Parallel.h>
#include <torch/script.h>

#include <memory>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/version_load.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// A version up to this has a standby on the CPU unless the configuration says otherwise: its weights are then in the
// host's memory once more.
constexpr uint64_t kMostStandbyBytes = uint64_t{1} << 30;

constexpr checkpoint::FileFormat kFormats[] = {
    checkpoint::FileFormat::kTorchScript, checkpoint::FileFormat::kZipCheckpoint,
    checkpoint::FileFormat::kLegacyCheckpoint, checkpoint::FileFormat::kSafetensors};

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

std::string NameOf(const plan::LoadRequest& request) { return fmt::format("{}/{}", request.model, request.version); }

// What `run` gives, on as many threads as a worker has. An exception that nobody expected ends this version and not the
// server.
template <typename Run>
auto CatchForVersion(const plan::LoadRequest& request, const LoadOptions& options, const Run& run) -> decltype(run()) {
  try {
    const IntraOpThreads as_on_a_worker(options.intra_op_threads);
    return run();
  } catch (const std::exception& error) {
    return base::Annotate(StatusOf(error, absl::StatusCode::kInvalidArgument), NameOf(request));
  }
}

// How it is placed on further devices: from the module that was read, kept in the host's memory; or from the files,
// read once more.
std::function<absl::StatusOr<model::PlacedModel>(const tensor::DeviceId&)> FurtherPlacements(
    std::shared_ptr<VersionLoad> load, const Module& module, bool keeps_module, const plan::LoadRequest& request,
    const LoadOptions& options) {
  if (keeps_module) {
    load->CloseFiles();
    return [load, module, request, options](const tensor::DeviceId& device) {
      return CatchForVersion(request, options, [&] { return load->PlaceOn(module, device); });
    };
  }
  return [identity = load->FileIdentity(), request, options](const tensor::DeviceId& device) {
    return CatchForVersion(request, options, [&]() -> absl::StatusOr<model::PlacedModel> {
      FERRY_ASSIGN_OR_RETURN(plan::PlannedFiles version, plan::PlanFiles(request));
      VersionLoad again(request, std::move(version), options);
      if (again.FileIdentity() != identity) {
        return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                "{}: its files have changed since it was loaded; load the version again",
                                NameOf(request));
      }
      FERRY_ASSIGN_OR_RETURN(const Module fresh, again.MakeModule());
      return again.PlaceOn(fresh, device);
    });
  };
}

class TorchLoader final : public plan::ModelLoader {
 public:
  explicit TorchLoader(LoadOptions options) : options_(std::move(options)) {}

  std::span<const checkpoint::FileFormat> formats() const override { return kFormats; }

  absl::StatusOr<model::LoadedModel> Load(const plan::LoadRequest& request, plan::PlannedFiles version) const override {
    const auto load = std::make_shared<VersionLoad>(request, std::move(version), options_);
    return CatchForVersion(request, options_, [&]() -> absl::StatusOr<model::LoadedModel> {
      FERRY_ASSIGN_OR_RETURN(const Module module, load->MakeModule());
      FERRY_ASSIGN_OR_RETURN(model::PlacedModel placed, load->Place(module));
      model::LoadedModel loaded{std::move(placed.model), std::move(placed.info)};
      loaded.rather = load->Rather();
      loaded.others = load->Others();
      if (loaded.rather.empty() && loaded.others.empty()) return loaded;
      const bool has_standby = request.config.fallback_warm.value_or(load->weight_bytes() <= kMostStandbyBytes);
      if (has_standby && !loaded.others.empty()) loaded.standby = tensor::DeviceId::Cpu();
      loaded.place = FurtherPlacements(load, module, has_standby, request, options_);
      return loaded;
    });
  }

 private:
  const LoadOptions options_;
};

}  // namespace

std::unique_ptr<plan::ModelLoader> MakeTorchLoader(LoadOptions options) {
  return std::make_unique<TorchLoader>(std::move(options));
}

absl::Status ExportTorchScript(const plan::LoadRequest& request, const std::string& output_path) {
  FERRY_ASSIGN_OR_RETURN(plan::PlannedFiles version, plan::PlanFiles(request));
  VersionLoad load(request, std::move(version), LoadOptions());
  try {
    FERRY_ASSIGN_OR_RETURN(const Module module, load.MakeModule());
    module.save(output_path);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
