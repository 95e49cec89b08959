#include "server/app/check_store.h"

#include <absl/status/statusor.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/app/check_report.h"
#include "server/app/offline_loads.h"
#include "server/app/return_memory.h"
#include "server/app/servable_factory.h"
#include "server/app/step_progress.h"
#include "server/app/stop_signals.h"
#include "server/app/store_models.h"
#include "server/base/log_output.h"
#include "server/base/status.h"
#include "server/base/stuck_watch.h"
#include "server/plan/label_files.h"
#include "server/plan/model_loader.h"
#include "server/registry/load_limit.h"
#include "server/registry/load_pool.h"
#include "server/registry/store_scanner.h"
#include "server/registry/version_log.h"

namespace torchferry::app {
namespace {

// For the last lines, should nobody read them.
constexpr base::Duration kLastLines = std::chrono::seconds(1);

// A version that a server would load, and where in the list of all it stands.
struct WantedVersion {
  const registry::ModelFolder* folder;
  int64_t version;
  size_t place;
  std::vector<std::string> warnings;  // of the folder, with its first version
};

// What is said of a folder that a server would load.
std::vector<std::string> WarningsOf(const registry::ModelFolder& folder) {
  std::vector<std::string> warnings;
  for (const std::string& entry : folder.ignored) {
    warnings.push_back(fmt::format("{}/{}/ is ignored: a version is a positive integer", folder.name, entry));
  }
  const std::vector<std::string> of_config = registry::ConfigWarnings(folder);
  warnings.insert(warnings.end(), of_config.begin(), of_config.end());
  return warnings;
}

class StoreChecker {
 public:
  StoreChecker(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers)
      : flags_(flags), loads_(flags, std::move(providers), OfflineLoads::Tuning::kOff) {
    watch_.Start();
    if (flags.deterministic) libtorch::TorchRuntime::UseDeterministicAlgorithms();
  }

  absl::StatusOr<std::vector<CheckedVersion>> Run() {
    FERRY_ASSIGN_OR_RETURN(const std::vector<registry::ModelFolder> folders, ScanModels(flags_));
    if (folders.empty()) return NoModels(flags_, "check");
    std::vector<CheckedVersion> checked;
    std::vector<WantedVersion> wanted;
    for (const registry::ModelFolder& folder : folders) List(folder, checked, wanted);
    std::optional<StepProgress> progress;
    if (flags_.check_loads) progress.emplace("loading", static_cast<int>(wanted.size()), /*expected_seconds=*/0);
    for (const WantedVersion& one : wanted) {
      if (progress.has_value()) progress->Begin(fmt::format("{}/{}", one.folder->name, one.version));
      FERRY_ASSIGN_OR_RETURN(const plan::LoadRequest request, loads_.RequestOf(*one.folder, one.version));
      CheckedVersion version = flags_.check_loads ? Load(request) : Plan(request);
      version.warnings.insert(version.warnings.begin(), one.warnings.begin(), one.warnings.end());
      checked[one.place] = std::move(version);
    }
    return checked;
  }

  // A load goes on that was given up: it ends with the process alone.
  bool is_stuck() const { return pool_.stuck() > 0; }

 private:
  // A line for each version of `folder`, and for the folder where it has none.
  void List(const registry::ModelFolder& folder, std::vector<CheckedVersion>& checked,
            std::vector<WantedVersion>& wanted) const {
    if (!folder.is_model) {
      checked.push_back(LeftOut(folder.name, 0, base::MessageOf(registry::NoModel(folder))));
      return;
    }
    if (!LoadsAtStart(flags_, folder.name)) {
      checked.push_back(LeftOut(folder.name, 0, "--load-model does not name it"));
      return;
    }
    const absl::StatusOr<std::vector<int64_t>> versions = registry::WantedVersions(folder);
    std::vector<std::string> warnings = WarningsOf(folder);
    if (!versions.ok()) {
      checked.push_back(Failed(folder.name, 0, versions.status()));
      checked.back().warnings = std::move(warnings);
      return;
    }
    for (const int64_t version : folder.versions) {
      if (std::ranges::find(*versions, version) != versions->end()) {
        wanted.push_back({&folder, version, checked.size(), std::exchange(warnings, {})});
      }
      checked.push_back(LeftOut(folder.name, version, "version_policy leaves it out"));  // until it was looked at
    }
  }

  CheckedVersion Plan(const plan::LoadRequest& request) const {
    const absl::StatusOr<plan::PlannedFiles> planned = plan::PlanFiles(request);
    absl::Status status = planned.status();
    if (status.ok()) status = plan::ReserveMemory(request, *planned).status();
    if (status.ok()) status = planned->files.missing;
    if (status.ok()) status = plan::ReadLabels(request.store, request.model, planned->planned.config).status();
    if (!status.ok()) return Failed(request.model, request.version, status);
    return Planned(request.model, request.version, planned->files.model->name(), planned->planned.plan);
  }

  // On a thread of the pool, for as long as a server would wait for it.
  CheckedVersion Load(const plan::LoadRequest& request) {
    const auto done = std::make_shared<std::promise<CheckedVersion>>();
    const auto fail = [done, model = request.model, version = request.version](const absl::Status& why) {
      done->set_value(Failed(model, version, why));
    };
    const base::Duration limit = LoadLimitOf(request.config, flags_);
    pool_.Add({.limit = limit,
               .run = [this, request, done]() -> std::function<void()> {
                 return [done, checked = LoadNow(request)] { done->set_value(checked); };
               },
               .give_up = [fail, limit](base::Duration so_far) { fail(registry::LoadDoesNotEnd(so_far, limit)); },
               .refuse = [fail](const absl::Status& why, bool) { fail(why); }});
    return done->get_future().get();
  }

  CheckedVersion LoadNow(const plan::LoadRequest& request) const {
    absl::StatusOr<plan::LoadedVersion> loaded = plan::LoadVersion(request, loads_.loaders());
    if (!loaded.ok()) return Failed(request.model, request.version, loaded.status());
    const tensor::DeviceId device = loaded->model.model->device();
    const absl::Status labels = plan::ReadLabels(request.store, request.model, loaded->config).status();
    CheckedVersion checked = labels.ok() ? Loaded(request.model, request.version, device, loaded->model.info)
                                         : Failed(request.model, request.version, labels);
    loaded = absl::CancelledError("done");  // and with it the model goes, before the next one comes
    ReturnMemory(device);
    return checked;
  }

  const ServerFlags& flags_;
  const OfflineLoads loads_;
  base::StuckWatch watch_{base::Clock::Real()};
  registry::LoadPool pool_{{.threads = 1, .max_stuck = flags_.max_stuck_threads, .watch = &watch_},
                           base::Clock::Real()};
};

}  // namespace

int CheckStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
  LetStopSignalsEndTheProcess();
  StoreChecker checker(flags, std::move(providers));
  const absl::StatusOr<std::vector<CheckedVersion>> checked = checker.Run();
  base::FlushLog(kLastLines);
  if (!checked.ok()) {
    std::fprintf(stderr, "--check: %s\n", base::MessageOf(checked.status()).c_str());
    return 1;
  }
  std::fputs(CheckText(*checked).c_str(), stdout);
  const int code = ExitCodeOf(*checked);
  if (checker.is_stuck()) {
    std::fflush(stdout);
    _exit(code);
  }
  return code;
}

}  // namespace torchferry::app
