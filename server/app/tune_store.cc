#include "server/app/tune_store.h"

#include <absl/status/statusor.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "server/app/offline_loads.h"
#include "server/app/step_progress.h"
#include "server/app/stop_signals.h"
#include "server/app/store_models.h"
#include "server/app/tune_report.h"
#include "server/base/log_output.h"
#include "server/base/status.h"
#include "server/plan/model_loader.h"
#include "server/registry/store_scanner.h"

namespace torchferry::app {
namespace {

// For the last lines, should nobody read them.
constexpr base::Duration kLastLines = std::chrono::seconds(1);
// Between two pieces of a job: it would take the processor that the next one measures.
constexpr base::Duration kPause = std::chrono::milliseconds(10);
// Most that the jobs of a version take, in its budgets.
constexpr double kBudgets = 3;

struct WantedVersion {
  const registry::ModelFolder* folder;
  int64_t version;
};

// Nothing else runs, and the last better way is what is reported.
class OfflineTurn final : public model::IdleTurn {
 public:
  explicit OfflineTurn(model::ModelInfo& info) : info_(info) {}
  bool IsQuiet() const override { return true; }
  void Replace(model::PlacedModel better) override { info_ = std::move(better.info); }

 private:
  model::ModelInfo& info_;
};

class StoreTuner {
 public:
  StoreTuner(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers)
      : flags_(flags), loads_(flags, std::move(providers), OfflineLoads::Tuning::kAsServer) {}

  absl::StatusOr<std::vector<TunedVersion>> Run() {
    FERRY_ASSIGN_OR_RETURN(std::vector<registry::ModelFolder> folders, ScanModels(flags_));
    std::erase_if(folders, [this](const registry::ModelFolder& folder) {
      return !folder.is_model || !LoadsAtStart(flags_, folder.name);
    });
    if (folders.empty()) return NoModels(flags_, "tune");
    std::vector<TunedVersion> done;
    const std::vector<WantedVersion> wanted = Wanted(folders, done);
    StepProgress progress("tuning", static_cast<int>(wanted.size()), flags_.optimize_budget_seconds);
    for (const WantedVersion& one : wanted) {
      progress.Begin(fmt::format("{}/{}", one.folder->name, one.version));
      done.push_back({one.folder->name, one.version, Tune(*one.folder, one.version)});
    }
    return done;
  }

 private:
  // Models of which none can be are in `failed`.
  static std::vector<WantedVersion> Wanted(const std::vector<registry::ModelFolder>& folders,
                                           std::vector<TunedVersion>& failed) {
    std::vector<WantedVersion> wanted;
    for (const registry::ModelFolder& folder : folders) {
      const absl::StatusOr<std::vector<int64_t>> versions = registry::WantedVersions(folder);
      if (!versions.ok()) {
        failed.push_back({folder.name, 0, versions.status()});
        continue;
      }
      for (const int64_t version : *versions) wanted.push_back({&folder, version});
    }
    return wanted;
  }

  absl::StatusOr<model::ModelInfo> Tune(const registry::ModelFolder& folder, int64_t version) const {
    FERRY_RETURN_IF_ERROR(CheckMayKeep(folder.name, version));
    FERRY_ASSIGN_OR_RETURN(plan::LoadRequest request, loads_.RequestOf(folder, version));
    FERRY_ASSIGN_OR_RETURN(plan::LoadedVersion loaded, plan::LoadVersion(std::move(request), loads_.loaders()));
    model::ModelInfo info = std::move(loaded.model.info);
    if (!info.tuning.has_value() || info.tuning->is_final) return info;
    RunJobs(loaded.model.idle_jobs, info, BudgetOf(loaded.config));
    return info;
  }

  // Beside a busy process a search may not come to its end: the result is as good as it is then.
  static void RunJobs(const std::vector<model::IdleJob>& jobs, model::ModelInfo& info, double budget_seconds) {
    OfflineTurn turn(info);
    const base::Clock& clock = base::Clock::Real();
    const base::TimePoint until = clock.Now() + std::chrono::duration_cast<base::Duration>(
                                                    std::chrono::duration<double>(kBudgets * budget_seconds));
    for (const model::IdleJob& job : jobs) {
      while (job(turn) && clock.Now() < until) std::this_thread::sleep_for(kPause);
    }
  }

  double BudgetOf(const config::ModelConfig& config) const {
    return config.optimize.budget_seconds.value_or(flags_.optimize_budget_seconds);
  }

  // Before minutes are spent on what cannot be kept.
  absl::Status CheckMayKeep(const std::string& model, int64_t version) const {
    const auto folder = std::filesystem::path(flags_.model_store) / model / std::to_string(version);
    if (access(folder.c_str(), W_OK) == 0) return absl::OkStatus();
    return base::MakeStatus(absl::StatusCode::kPermissionDenied,
                            "{}/{}: cannot be written ({}), but the result is kept there. Tune a copy of the store "
                            "that can be written, and copy its .torchferry-tuning.json files",
                            model, version, std::strerror(errno));
  }

  const ServerFlags& flags_;
  const OfflineLoads loads_;
};

}  // namespace

int TuneStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
  LetStopSignalsEndTheProcess();
  const absl::StatusOr<std::vector<TunedVersion>> tuned = StoreTuner(flags, std::move(providers)).Run();
  base::FlushLog(kLastLines);
  if (!tuned.ok()) {
    std::fprintf(stderr, "--tune: %s\n", base::MessageOf(tuned.status()).c_str());
    return 1;
  }
  std::fputs(TuneTable(*tuned).c_str(), stdout);
  return std::ranges::any_of(*tuned, HasFailed) ? 1 : 0;
}

}  // namespace torchferry::app
