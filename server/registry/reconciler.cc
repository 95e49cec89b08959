#include "server/registry/reconciler.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/registry/listing.h"
#include "server/registry/version_log.h"

namespace torchferry::registry {
namespace {

VersionSource SourceOf(const ModelFolder& folder, std::shared_ptr<const config::ModelConfig> config, int64_t version) {
  const auto fingerprint = folder.fingerprints.find(version);
  return {.model = folder.name,
          .version = version,
          .config = std::move(config),
          .fingerprint = fingerprint == folder.fingerprints.end() ? "" : fingerprint->second};
}

// NOT_FOUND for the first of `versions` that the folder does not have.
absl::Status CheckThere(const ModelFolder& folder, const std::vector<int64_t>& versions) {
  for (const int64_t version : versions) {
    if (std::ranges::find(folder.versions, version) != folder.versions.end()) continue;
    return base::MakeStatus(absl::StatusCode::kNotFound, "{}/ has no version {}; it has: {}", folder.name, version,
                            Listing(folder.versions, [](int64_t one) { return std::to_string(one); }));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Stopping() { return absl::UnavailableError("the server is shutting down"); }

void Reconciler::Add(const std::vector<ModelFolder>& models) {
  for (const ModelFolder& folder : models) AddModel(folder);
}

bool Reconciler::IsForeign(const ModelFolder& folder) {
  if (folder.is_model || memory_.contains(folder.name)) return false;
  if (foreign_.insert(folder.name).second) LogNoModel(folder);
  return true;
}

void Reconciler::AddModel(const ModelFolder& folder) {
  if (IsForeign(folder)) return;
  LogFolder(folder);
  ModelMemory& memory = memory_[folder.name];
  memory.applied = memory.seen = FingerprintOf(folder);
  const absl::StatusOr<Changes> changes = PlanChanges(folder, table_.Current(folder.name), {}, {});
  if (!changes.ok()) {
    LogFailed(folder.name, 0, changes.status());
    // One of those that readiness waits for.
    table_.SetPending({.model = folder.name, .version = 0, .config = nullptr, .fingerprint = ""});
    table_.SetFailed(folder.name, 0, changes.status());
    return;
  }
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  for (const int64_t version : changes->load) table_.SetPending(SourceOf(folder, config, version));
}

void Reconciler::AddUnloaded(const std::vector<ModelFolder>& models) {
  for (const ModelFolder& folder : models) {
    if (IsForeign(folder)) continue;
    const absl::StatusOr<Changes> changes = PlanChanges(folder, table_.Current(folder.name), {}, {});
    if (!changes.ok()) continue;  // loading it says why
    const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
    for (const int64_t version : changes->load) {
      table_.SetPending(SourceOf(folder, config, version));
      table_.Retire(folder.name, version, /*is_kept=*/true);
    }
  }
}

void Reconciler::LoadPending() {
  std::map<std::string, std::vector<VersionSource>> models;
  std::vector<std::string> order;
  for (const VersionSource& source : table_.Pending()) {
    if (!models.contains(source.model)) order.push_back(source.model);
    models[source.model].push_back(source);
  }
  // The table has their errors.
  for (const std::string& model : order) LoadAll(model, models[model], [](const absl::Status&) {});
}

void Reconciler::InTurn(const std::string& model, Step change) {
  const auto busy = in_turn_.find(model);
  if (busy == in_turn_.end()) return change(/*is_dropped=*/false);
  busy->second.push_back(std::move(change));
}

void Reconciler::EndTurn(const std::string& model) {
  std::deque<Step> waiting = std::move(in_turn_[model]);
  in_turn_.erase(model);
  while (!waiting.empty()) {
    const auto busy = in_turn_.find(model);
    if (busy != in_turn_.end()) {  // one of them has begun to load
      busy->second.insert(busy->second.end(), std::make_move_iterator(waiting.begin()),
                          std::make_move_iterator(waiting.end()));
      return;
    }
    const Step next = std::move(waiting.front());
    waiting.pop_front();
    next(/*is_dropped=*/false);
  }
}

void Reconciler::DropWaiting() {
  for (const auto& [model, steps] : std::exchange(in_turn_, {})) {
    for (const Step& step : steps) step(/*is_dropped=*/true);
  }
}

void Reconciler::LoadModel(const std::string& model, const std::vector<int64_t>& versions, const Done& done) {
  InTurn(model, [this, model, versions, done](bool is_dropped) {
    is_dropped ? done(Stopping()) : LoadNow(model, versions, done);
  });
}

void Reconciler::LoadNow(const std::string& model, const std::vector<int64_t>& versions, const Done& done) {
  const absl::StatusOr<ModelFolder> folder = ScanModel(options_.store, model);
  absl::Status status = folder.status();
  if (status.ok() && IsForeign(*folder)) status = NoModel(*folder);
  if (status.ok()) status = CheckThere(*folder, versions);
  if (!status.ok()) return done(status);
  Apply(*folder, versions, /*away=*/{}, /*is_asked_for=*/true,
        [this, model, is_held = !versions.empty(), done](const absl::Status& applied) {
          if (applied.ok()) {
            ModelMemory& memory = memory_[model];
            memory.away.clear();
            memory.is_held = is_held;
          }
          done(applied);
        });
}

void Reconciler::Apply(const ModelFolder& folder, const std::vector<int64_t>& named, const std::set<int64_t>& away,
                       bool is_asked_for, const Done& done) {
  LogFolder(folder);
  ModelMemory& memory = memory_[folder.name];
  memory.applied = memory.seen = FingerprintOf(folder);
  const absl::StatusOr<Changes> changes = PlanChanges(folder, table_.Current(folder.name), named, away, is_asked_for);
  if (!changes.ok()) {
    // A model that serves goes on. One that does not shows why.
    if (table_.Find(folder.name, 0).ok()) {
      LogNotReloaded(folder.name, 0, changes.status());
    } else {
      LogFailed(folder.name, 0, changes.status());
      table_.SetFailed(folder.name, 0, changes.status());
    }
    return done(changes.status());
  }
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  std::vector<VersionSource> sources;
  for (const int64_t version : changes->load) {
    sources.push_back(SourceOf(folder, config, version));
    sources.back().is_asked_for = is_asked_for;
  }
  LoadAll(folder.name, sources,
          [this, model = folder.name, retire = changes->retire, done](const absl::Status& loaded) {
            if (loaded.ok()) {
              for (const int64_t version : retire) lifecycle_.Retire(model, version, /*is_kept=*/false);
            }
            done(loaded);
          });
}

// Loads that belong together. Their ends come on the threads of the pool, and the last goes back to the reconciler's.
struct Reconciler::Group {
  base::Mutex mutex;
  size_t left FERRY_GUARDED_BY(mutex) = 0;
  std::vector<absl::Status> outcomes FERRY_GUARDED_BY(mutex);
};

void Reconciler::LoadAll(const std::string& model, const std::vector<VersionSource>& sources, const Done& done) {
  if (sources.empty()) return done(absl::OkStatus());
  in_turn_[model];
  const auto group = std::make_shared<Group>();
  {
    base::MutexLock lock(group->mutex);
    group->left = sources.size();
    group->outcomes.resize(sources.size());
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    const base::Duration limit = options_.load_limit ? options_.load_limit(*sources[i].config) : base::Duration::zero();
    pool_.Add(lifecycle_.LoadJob(sources[i], limit, [this, group, i, model, done](const absl::Status& outcome) {
      absl::Status first;
      {
        base::MutexLock lock(group->mutex);
        // A copy: threads that share a Status are a race to ThreadSanitizer, as Debian's Abseil is not built for it.
        group->outcomes[i] = absl::Status(outcome.code(), outcome.message());
        if (--group->left > 0) return;
        for (absl::Status& one : group->outcomes) {
          if (first.ok()) first = std::exchange(one, absl::OkStatus());
        }
      }
      options_.post([this, first = std::move(first), model, done](bool is_dropped) {
        done(is_dropped && first.ok() ? Stopping() : first);
        if (!is_dropped) EndTurn(model);
      });
    }));
  }
}

void Reconciler::Unload(const std::string& model, int64_t version, const Done& done) {
  InTurn(model, [this, model, version, done](bool is_dropped) {
    is_dropped ? done(Stopping()) : UnloadNow(model, version, done);
  });
}

void Reconciler::UnloadNow(const std::string& model, int64_t version, const Done& done) {
  std::vector<int64_t> leaving;
  for (const VersionStatus& status : table_.List()) {
    const bool is_meant = status.model == model && (version == 0 || version == status.version);
    if (is_meant && status.state != VersionState::kUnloaded) leaving.push_back(status.version);
  }
  if (leaving.empty()) {
    const absl::Status why = table_.Find(model, version).status();
    return done(
        base::MakeStatus(absl::StatusCode::kNotFound, "{}", why.ok() ? "nothing to unload" : base::MessageOf(why)));
  }
  ModelMemory& memory = memory_[model];
  if (version == 0) memory.is_held = true;
  memory.away.insert(leaving.begin(), leaving.end());
  std::set<int64_t> ending;
  for (const int64_t one : leaving) {
    if (const auto generation = lifecycle_.Retire(model, one, /*is_kept=*/true)) ending.insert(*generation);
  }
  lifecycle_.AwaitEnds(ending, done);
}

// A model that is being changed is left for the next look.
void Reconciler::Rescan(const Done& done) {
  const absl::StatusOr<std::vector<ModelFolder>> folders = ScanStore(options_.store);
  if (!folders.ok()) return done(folders.status());
  std::set<std::string> gone;
  for (const VersionStatus& status : table_.List()) gone.insert(status.model);
  // Answered when the last of the models is as it should be.
  const auto left = std::make_shared<std::atomic<size_t>>(1);
  const auto one_less = [left, done](const absl::Status&) {  // errors are logged, and in the table
    if (--*left == 0) done(absl::OkStatus());
  };
  for (const ModelFolder& folder : *folders) {
    gone.erase(folder.name);
    if (in_turn_.contains(folder.name) || IsForeign(folder)) continue;
    ModelMemory& memory = memory_[folder.name];
    const std::string fingerprint = FingerprintOf(folder);
    const bool is_due = IsDue(memory, fingerprint);
    memory.seen = fingerprint;
    if (!is_due || options_.is_stopping()) continue;
    base::LogInfo("model changed in the store", {{"model", folder.name}});
    ++*left;
    Apply(folder, {}, memory.away, /*is_asked_for=*/false, one_less);
  }
  for (const std::string& model : gone) {
    if (!in_turn_.contains(model)) RetireGone(model);
  }
  if (options_.is_stopping()) return done(Stopping());
  one_less(absl::OkStatus());
}

void Reconciler::RetireGone(const std::string& model) {
  if (memory_[model].is_held) return;
  base::LogInfo("model gone from the store", {{"model", model}});
  memory_[model].applied.clear();
  for (const CurrentVersion& one : table_.Current(model)) lifecycle_.Retire(model, one.version, /*is_kept=*/false);
}

}  // namespace torchferry::registry
