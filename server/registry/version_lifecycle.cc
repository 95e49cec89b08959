#include "server/registry/version_lifecycle.h"

#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/registry/version_log.h"

namespace torchferry::registry {

VersionLifecycle::VersionLifecycle(ServableFactory factory, VersionTable& table, metrics::Metrics& metrics,
                                   const base::Clock& clock, OnUnloaded on_unloaded, std::shared_ptr<LoadMarks> marks)
    : factory_(std::move(factory)),
      table_(table),
      metrics_(metrics),
      clock_(clock),
      on_unloaded_(std::move(on_unloaded)),
      marks_(std::move(marks)),
      reaper_(std::make_unique<Reaper>()) {}

VersionLifecycle::~VersionLifecycle() { Stop(); }

absl::Status VersionLifecycle::Load(const VersionSource& source) {
  const bool serves = table_.SetLoading(source);
  base::LogInfo("model loading", {{"model", source.model}, {"version", source.version}});
  const base::TimePoint started = clock_.Now();
  absl::StatusOr<std::unique_ptr<serving::Servable>> loaded = Make(source);
  const double seconds = base::ToSeconds(clock_.Now() - started);
  if (loaded.ok()) {
    Serve(source, *std::move(loaded), seconds);
    return absl::OkStatus();
  }
  if (serves) {
    LogNotReloaded(source.model, source.version, loaded.status());
  } else {
    LogFailed(source.model, source.version, loaded.status());
    table_.SetFailed(source.model, source.version, loaded.status());
  }
  return base::Annotate(loaded.status(), fmt::format("version {}", source.version));
}

absl::StatusOr<std::unique_ptr<serving::Servable>> VersionLifecycle::Make(const VersionSource& source) {
  std::unique_ptr<LoadMarks::Loading> mark;
  if (marks_ != nullptr) {
    FERRY_ASSIGN_OR_RETURN(mark, marks_->Begin(source.model, source.version, source.fingerprint, source.is_asked_for));
  }
  return factory_(source.model, source.version, *source.config);
}

void VersionLifecycle::Serve(const VersionSource& source, std::unique_ptr<serving::Servable> servable,
                             double load_seconds) {
  LogReady(source.model, source.version, *servable, load_seconds);
  metrics_.ModelLoaded(source.model, source.version, load_seconds);
  const int64_t generation = ends_.Begin();
  const std::string device = tensor::ToString(servable->placement().model->device());
  const auto on_end = [this, model = source.model, version = source.version, generation, device] {
    Ended(model, version, generation, device);
  };
  table_.SetReady(source, reaper_->Adopt(std::move(servable), on_end), generation, load_seconds);
}

std::optional<int64_t> VersionLifecycle::Retire(const std::string& model, int64_t version, bool is_kept) {
  const VersionTable::Retired retired = table_.Retire(model, version, is_kept);
  if (retired.servable != nullptr) {
    base::LogInfo("model unloading", {{"model", model}, {"version", version}});
    if (is_kept) retired.servable->Unload();
  }
  return retired.ending;
}

void VersionLifecycle::Ended(const std::string& model, int64_t version, int64_t generation, const std::string& device) {
  table_.Settle(model, version, generation);
  if (on_unloaded_) on_unloaded_(device);
  base::LogInfo("model unloaded", {{"model", model}, {"version", version}});
  ends_.End(generation);
}

}  // namespace torchferry::registry
