#include "server/registry/reconciler.h"

#include <algorithm>
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

void Reconciler::AddModel(const ModelFolder& folder) {
  LogFolder(folder);
  ModelMemory& memory = memory_[folder.name];
  memory.applied = memory.seen = FingerprintOf(folder);
  const absl::StatusOr<Changes> changes = PlanChanges(folder, table_.Current(folder.name), {}, {});
  if (!changes.ok()) {
    LogFailed(folder.name, 0, changes.status());
    table_.SetPending({.model = folder.name,
                       .version = 0,
                       .config = nullptr,
                       .fingerprint = ""});  // one of those that readiness waits for
    return table_.SetFailed(folder.name, 0, changes.status());
  }
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  for (const int64_t version : changes->load) table_.SetPending(SourceOf(folder, config, version));
}

void Reconciler::LoadPending() {
  while (!options_.is_stopping()) {
    const std::optional<VersionSource> next = table_.NextPending();
    if (!next.has_value()) return;
    lifecycle_.Load(*next).IgnoreError();  // the table has the error
  }
}

absl::Status Reconciler::LoadModel(const std::string& model, const std::vector<int64_t>& versions) {
  FERRY_ASSIGN_OR_RETURN(const ModelFolder folder, ScanModel(options_.store, model));
  FERRY_RETURN_IF_ERROR(CheckThere(folder, versions));
  FERRY_RETURN_IF_ERROR(Apply(folder, versions, /*away=*/{}, /*is_asked_for=*/true));
  ModelMemory& memory = memory_[model];
  memory.away.clear();
  memory.is_held = !versions.empty();
  return absl::OkStatus();
}

absl::Status Reconciler::Apply(const ModelFolder& folder, const std::vector<int64_t>& named,
                               const std::set<int64_t>& away, bool is_asked_for) {
  LogFolder(folder);
  ModelMemory& memory = memory_[folder.name];
  memory.applied = memory.seen = FingerprintOf(folder);
  const absl::StatusOr<Changes> changes = PlanChanges(folder, table_.Current(folder.name), named, away);
  if (!changes.ok()) {
    // A model that serves goes on. One that does not shows why.
    if (table_.Find(folder.name, 0).ok()) {
      LogNotReloaded(folder.name, 0, changes.status());
    } else {
      LogFailed(folder.name, 0, changes.status());
      table_.SetFailed(folder.name, 0, changes.status());
    }
    return changes.status();
  }
  FERRY_RETURN_IF_ERROR(LoadAll(folder, changes->load, is_asked_for));
  for (const int64_t version : changes->retire) lifecycle_.Retire(folder.name, version, /*is_kept=*/false);
  return absl::OkStatus();
}

absl::Status Reconciler::LoadAll(const ModelFolder& folder, const std::vector<int64_t>& versions, bool is_asked_for) {
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  absl::Status first_error;
  for (const int64_t version : versions) {
    if (options_.is_stopping()) return Stopping();
    VersionSource source = SourceOf(folder, config, version);
    source.is_asked_for = is_asked_for;
    const absl::Status loaded = lifecycle_.Load(source);
    if (first_error.ok()) first_error = loaded;
  }
  return first_error;
}

void Reconciler::Unload(const std::string& model, int64_t version, const Done& done) {
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
  lifecycle_.AwaitEnds(ending, [done] { done(absl::OkStatus()); });
}

absl::Status Reconciler::Rescan() {
  FERRY_ASSIGN_OR_RETURN(const std::vector<ModelFolder> folders, ScanStore(options_.store));
  std::set<std::string> gone;
  for (const VersionStatus& status : table_.List()) gone.insert(status.model);
  for (const ModelFolder& folder : folders) {
    gone.erase(folder.name);
    ModelMemory& memory = memory_[folder.name];
    const std::string fingerprint = FingerprintOf(folder);
    const bool is_due = IsDue(memory, fingerprint);
    memory.seen = fingerprint;
    if (!is_due) continue;
    if (options_.is_stopping()) return Stopping();
    base::LogInfo("model changed in the store", {{"model", folder.name}});
    Apply(folder, {}, memory.away, /*is_asked_for=*/false).IgnoreError();  // logged, and in the table
  }
  for (const std::string& model : gone) RetireGone(model);
  return absl::OkStatus();
}

void Reconciler::RetireGone(const std::string& model) {
  if (memory_[model].is_held) return;
  base::LogInfo("model gone from the store", {{"model", model}});
  memory_[model].applied.clear();
  for (const CurrentVersion& one : table_.Current(model)) lifecycle_.Retire(model, one.version, /*is_kept=*/false);
}

}  // namespace torchferry::registry
