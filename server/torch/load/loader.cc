#include "server/torch/load/loader.h"

#include <torch/script.h>

#include <memory>
#include <span>
#include <utility>

#include "server/base/running_model.h"
#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/intra_op_threads.h"
#include "server/torch/load/read_module.h"
#include "server/torch/load/version_load.h"

namespace torchferry::libtorch {
namespace {

constexpr checkpoint::FileFormat kFormats[] = {
    checkpoint::FileFormat::kTorchScript,      checkpoint::FileFormat::kZipCheckpoint,
    checkpoint::FileFormat::kLegacyCheckpoint, checkpoint::FileFormat::kSafetensors,
    checkpoint::FileFormat::kShards,           checkpoint::FileFormat::kExportedProgram};

std::string NameOf(const plan::LoadRequest& request) { return fmt::format("{}/{}", request.model, request.version); }

// What `run` gives, on as many threads as a worker has. An exception that nobody expected ends this version and not the
// server.
template <typename Run>
auto CatchForVersion(const plan::LoadRequest& request, const LoadOptions& options, const Run& run) -> decltype(run()) {
  const base::RunningModel for_model(request.model);
  try {
    const IntraOpThreads as_on_a_worker(options.intra_op_threads);
    return run();
  } catch (const std::exception& error) {
    return base::Annotate(StatusOf(error, absl::StatusCode::kInvalidArgument), NameOf(request));
  }
}

using Place = std::function<absl::StatusOr<model::PlacedModel>(const tensor::DeviceId&)>;

// From the module that was read, which is kept in the host's memory.
Place PlaceFromModule(std::shared_ptr<const VersionLoad> load, const plan::LoadRequest& request,
                      const LoadOptions& options) {
  return [load = std::move(load), request, options](const tensor::DeviceId& device) {
    return CatchForVersion(request, options, [&] { return load->PlaceOn(device); });
  };
}

// From the files, which are read once more. FAILED_PRECONDITION when they are others than those of `identity`.
absl::StatusOr<model::PlacedModel> ReadAndPlace(const plan::LoadRequest& request, const LoadOptions& options,
                                                const std::string& identity,
                                                const std::shared_ptr<model::ParityRecord>& parity,
                                                const tensor::DeviceId& device) {
  FERRY_ASSIGN_OR_RETURN(plan::PlannedFiles version, plan::PlanFiles(request));
  if (FileIdentity(version.files) != identity) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}: its files have changed since it was loaded; load the version again", NameOf(request));
  }
  FERRY_ASSIGN_OR_RETURN(const auto room, plan::ReserveMemory(request, version));
  FERRY_ASSIGN_OR_RETURN(const auto load, VersionLoad::Read(request, std::move(version), options, parity));
  return load->PlaceOn(device);
}

Place PlaceFromFiles(const std::string& identity, const std::shared_ptr<model::ParityRecord>& parity,
                     const plan::LoadRequest& request, const LoadOptions& options) {
  return [identity, parity, request, options](const tensor::DeviceId& device) {
    return CatchForVersion(request, options, [&] { return ReadAndPlace(request, options, identity, parity, device); });
  };
}

class TorchLoader final : public plan::ModelLoader {
 public:
  explicit TorchLoader(LoadOptions options) : options_(std::move(options)) {}

  std::span<const checkpoint::FileFormat> formats() const override { return kFormats; }

  absl::StatusOr<model::LoadedModel> Load(const plan::LoadRequest& request, plan::PlannedFiles version) const override {
    return CatchForVersion(request, options_, [&]() -> absl::StatusOr<model::LoadedModel> {
      const std::string identity = FileIdentity(version.files);
      const auto parity = std::make_shared<model::ParityRecord>();
      FERRY_ASSIGN_OR_RETURN(auto load, VersionLoad::Read(request, std::move(version), options_, parity));
      FERRY_ASSIGN_OR_RETURN(VersionLoad::FirstPlacement first, load->PlaceFirst());
      model::LoadedModel loaded{std::move(first.placed.model), std::move(first.placed.info)};
      loaded.small = std::move(first.placed.small);
      loaded.idle_jobs = std::move(first.idle_jobs);
      loaded.preferred_devices = std::move(first.preferred_devices);
      loaded.fallback_devices = std::move(first.fallback_devices);
      if (loaded.preferred_devices.empty() && loaded.fallback_devices.empty()) return loaded;
      const bool has_standby = request.config.fallback_warm.value_or(load->weight_bytes() <= plan::kMaxStandbyBytes);
      if (has_standby && !loaded.fallback_devices.empty()) loaded.standby = tensor::DeviceId::Cpu();
      loaded.place = has_standby ? PlaceFromModule(std::move(load), request, options_)
                                 : PlaceFromFiles(identity, parity, request, options_);
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
  try {
    FERRY_ASSIGN_OR_RETURN(const SavedModule saved,
                           ReadModule(version, request.host.trust_model_code, request.config.stateful));
    saved.module.save(output_path);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
