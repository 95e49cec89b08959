#include "server/registry/version_lifecycle.h"

#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/registry/load_limit.h"
#include "server/registry/version_log.h"

namespace torchferry::registry {

namespace {

absl::Status DoesNotEnd(int64_t version) {
  return base::MakeStatus(absl::StatusCode::kUnavailable,
                          "version {} was taken out of service, but a forward pass of it does not end. Its memory is "
                          "free when that ends, or when the server is restarted",
                          version);
}

}  // namespace

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

LoadPool::Job VersionLifecycle::LoadJob(const VersionSource& source, base::Duration limit,
                                        std::function<void(const absl::Status&)> done) {
  return {.limit = limit,
          .run = [this, source, done]() -> std::function<void()> {
            return [finish = Load(source), done] { done(finish()); };
          },
          .give_up =
              [this, source, limit, done](base::Duration so_far) {
                base::LogError("load does not end", {{"model", source.model},
                                                     {"version", source.version},
                                                     {"seconds", fmt::format("{:.1f}", base::ToSeconds(so_far))},
                                                     {"load_timeout_seconds", base::ToSeconds(limit)}});
                done(Failed(source, LoadDoesNotEnd(so_far, limit)));
              },
          .refuse = [this, source, done](const absl::Status& why,
                                         bool is_stopping) { done(is_stopping ? why : Failed(source, why)); }};
}

std::function<absl::Status()> VersionLifecycle::Load(const VersionSource& source) {
  table_.SetLoading(source);
  base::LogInfo("model loading", {{"model", source.model}, {"version", source.version}});
  const base::TimePoint started = clock_.Now();
  auto loaded = std::make_shared<absl::StatusOr<std::unique_ptr<serving::Servable>>>(Make(source));
  const double seconds = base::ToSeconds(clock_.Now() - started);
  return [this, source, loaded, seconds] {
    if (!loaded->ok()) return Failed(source, loaded->status());
    Serve(source, *std::move(*loaded), seconds);
    return absl::OkStatus();
  };
}

absl::Status VersionLifecycle::Failed(const VersionSource& source, const absl::Status& why) {
  if (table_.SetFailed(source.model, source.version, why)) {
    LogFailed(source.model, source.version, why);
  } else {
    LogNotReloaded(source.model, source.version, why);
  }
  return base::Annotate(why, fmt::format("version {}", source.version));
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
  const Reaper::Ends ends = {
      .on_stuck = [this, version = source.version, generation] { ends_.GiveUp(generation, DoesNotEnd(version)); },
      .on_end = [this, model = source.model, version = source.version, generation,
                 device] { Ended(model, version, generation, device); }};
  servable->OnSuspect([this, model = source.model, version = source.version, generation](const absl::Status& why) {
    if (why.ok()) base::LogInfo("model serves again", {{"model", model}, {"version", version}});
    table_.SetSuspect(model, version, generation, why);
  });
  table_.SetReady(source, reaper_->Adopt(std::move(servable), ends), generation, load_seconds);
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
