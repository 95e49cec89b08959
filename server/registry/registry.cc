#include "server/registry/registry.h"

#include <algorithm>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/registry/version_log.h"

namespace torchferry::registry {
namespace {

// "a, b, c and 7 more", for messages.
template <typename Range, typename ToText>
std::string Listing(const Range& range, ToText to_text) {
  constexpr size_t kShown = 10;
  std::string text;
  size_t count = 0;
  for (const auto& item : range) {
    if (++count <= kShown) text += (text.empty() ? "" : ", ") + to_text(item);
  }
  if (count > kShown) text += fmt::format(" and {} more", count - kShown);
  return text.empty() ? "none" : text;
}

std::string VersionText(int64_t version) { return std::to_string(version); }

absl::Status Ending() { return absl::UnavailableError("the server is shutting down"); }

}  // namespace

Registry::Registry(ServableFactory factory, metrics::Metrics& metrics, const base::Clock& clock, Options options)
    : factory_(std::move(factory)),
      metrics_(metrics),
      clock_(clock),
      options_(std::move(options)),
      reaper_(std::make_unique<Reaper>()) {}

Registry::~Registry() { Stop(); }

void Registry::Add(const std::vector<ModelFolder>& models) {
  for (const ModelFolder& folder : models) AddModel(folder);
}

void Registry::StartLoading() {
  jobs_.Add([this](bool is_dropped) {
    if (!is_dropped) LoadPending();
  });
  jobs_.Start();
}

void Registry::Stop() {
  jobs_.Stop();
  std::map<std::string, Versions> dropped;  // outside the lock, which their ends take
  {
    base::MutexLock lock(mutex_);
    dropped.swap(models_);
  }
  dropped.clear();
  reaper_.reset();  // every version has ended, so no one waits for one any more
}

void Registry::Load(const std::string& model, const std::vector<int64_t>& versions, Done done) {
  jobs_.Add([this, model, versions, done = std::move(done)](bool is_dropped) {
    done(is_dropped ? Ending() : LoadNow(model, versions));
  });
}

void Registry::Unload(const std::string& model, int64_t version, Done done) {
  jobs_.Add([this, model, version, done = std::move(done)](bool is_dropped) {
    if (is_dropped) return done(Ending());
    UnloadNow(model, version, done);
  });
}

void Registry::Rescan(Done done) {
  jobs_.Add([this, done = std::move(done)](bool is_dropped) { done(is_dropped ? Ending() : RescanNow()); });
}

void Registry::AddModel(const ModelFolder& folder) {
  LogFolder(folder);
  applied_[folder.name] = seen_[folder.name] = FingerprintOf(folder);
  const absl::StatusOr<std::vector<int64_t>> wanted =
      folder.config.ok() ? WantedVersions(folder) : folder.config.status();
  if (!wanted.ok()) {
    AddFailed(folder.name, 0, wanted.status());
    return SetState(folder.name, 0, [](Entry& entry) { entry.status.is_initial = true; });
  }
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  for (const int64_t version : *wanted) {
    SetState(folder.name, version, [&](Entry& entry) {
      const auto fingerprint = folder.fingerprints.find(version);
      entry.status.config = config;
      entry.status.is_initial = true;
      entry.fingerprint = fingerprint == folder.fingerprints.end() ? "" : fingerprint->second;
    });
  }
}

void Registry::AddFailed(const std::string& model, int64_t version, const absl::Status& why) {
  base::LogError(
      "model failed",
      {{"model", model}, {"version", version}, {"code", base::CodeName(why.code())}, {"reason", base::MessageOf(why)}});
  SetState(model, version, [&](Entry& entry) {
    entry.status.state = VersionState::kFailed;
    entry.status.error = why;
  });
}

void Registry::LoadPending() {
  while (!jobs_.stopping()) {
    const std::optional<VersionStatus> next = NextPending();
    if (!next.has_value()) return;
    std::string fingerprint;
    {
      base::MutexLock lock(mutex_);
      fingerprint = models_.at(next->model).at(next->version).fingerprint;
    }
    LoadOne(next->model, next->version, next->config, fingerprint).IgnoreError();  // its entry has the error
  }
}

std::optional<VersionStatus> Registry::NextPending() const {
  base::MutexLock lock(mutex_);
  for (const auto& [model, versions] : models_) {
    for (const auto& [version, entry] : versions) {
      if (entry.status.state == VersionState::kPending) return entry.status;
    }
  }
  return std::nullopt;
}

absl::Status Registry::LoadNow(const std::string& model, const std::vector<int64_t>& asked) {
  FERRY_ASSIGN_OR_RETURN(const ModelFolder folder, ScanModel(options_.store, model));
  for (const int64_t version : asked) {
    if (std::ranges::find(folder.versions, version) != folder.versions.end()) continue;
    return base::MakeStatus(absl::StatusCode::kNotFound, "{}/ has no version {}; it has: {}", model, version,
                            Listing(folder.versions, VersionText));
  }
  const std::set<int64_t> away = std::exchange(away_[model], {});
  const absl::Status status = LoadNow(folder, asked);
  if (!status.ok()) {
    away_[model] = away;
  } else if (asked.empty()) {
    held_.erase(model);
  } else {
    held_.insert(model);
  }
  return status;
}

absl::Status Registry::LoadNow(const ModelFolder& folder, const std::vector<int64_t>& asked) {
  LogFolder(folder);
  applied_[folder.name] = seen_[folder.name] = FingerprintOf(folder);
  absl::StatusOr<std::vector<int64_t>> wanted = folder.config.ok() ? WantedVersions(folder) : folder.config.status();
  if (!wanted.ok()) {
    // What serves goes on; what never did says why.
    if (Find(folder.name, 0).ok()) {
      LogNotReloaded(folder.name, 0, wanted.status());
    } else {
      AddFailed(folder.name, 0, wanted.status());
    }
    return wanted.status();
  }
  if (!asked.empty()) wanted = asked;
  const std::set<int64_t>& away = away_[folder.name];
  std::erase_if(*wanted, [&](int64_t version) { return away.contains(version); });
  const auto config = std::make_shared<const config::ModelConfig>(*folder.config);
  absl::Status first_error;
  for (const int64_t version : *wanted) {
    const std::string& fingerprint = folder.fingerprints.at(version);
    if (IsServing(folder.name, version, fingerprint)) continue;
    if (jobs_.stopping()) return Ending();
    const absl::Status loaded = LoadOne(folder.name, version, config, fingerprint);
    if (first_error.ok()) first_error = loaded;
  }
  if (first_error.ok()) {
    wanted->insert(wanted->end(), away.begin(), away.end());
    RetireUnwanted(folder.name, *wanted);
  }
  return first_error;
}

bool Registry::IsServing(const std::string& model, int64_t version, const std::string& fingerprint) const {
  base::MutexLock lock(mutex_);
  const auto found = models_.find(model);
  if (found == models_.end()) return false;
  const auto entry = found->second.find(version);
  return entry != found->second.end() && entry->second.servable != nullptr && entry->second.fingerprint == fingerprint;
}

absl::Status Registry::LoadOne(const std::string& model, int64_t version,
                               std::shared_ptr<const config::ModelConfig> config, const std::string& fingerprint) {
  bool serves = false;  // as its files were before, and goes on until the new ones are ready
  SetState(model, version, [&](Entry& entry) {
    serves = entry.servable != nullptr;
    if (!serves) {
      entry.status.state = VersionState::kLoading;
      entry.status.error = absl::OkStatus();
      entry.status.config = config;
      entry.is_kept = false;
    }
    entry.fingerprint = fingerprint;
  });
  base::LogInfo("model loading", {{"model", model}, {"version", version}});
  const base::TimePoint started = clock_.Now();
  absl::StatusOr<std::unique_ptr<serving::Servable>> loaded = factory_(model, version, *config);
  const double seconds = base::ToSeconds(clock_.Now() - started);
  if (!loaded.ok()) {
    if (!serves) {
      AddFailed(model, version, loaded.status());
    } else {
      LogNotReloaded(model, version, loaded.status());
    }
    return base::Annotate(loaded.status(), fmt::format("version {}", version));
  }
  LogReady(model, version, **loaded, seconds);
  metrics_.ModelLoaded(model, version, seconds);
  const int64_t generation = ++last_generation_;
  const std::string device = tensor::ToString((*loaded)->placement().model->device());
  std::shared_ptr<serving::Servable> servable = reaper_->Adopt(
      *std::move(loaded), [this, model, version, generation, device] { Ended(model, version, generation, device); });
  SetState(model, version, [&](Entry& entry) {
    entry.status.state = VersionState::kReady;
    entry.status.load_seconds = seconds;
    entry.status.config = config;
    entry.generation = generation;
    entry.servable.swap(servable);  // the one before goes when this has returned
  });
  return absl::OkStatus();
}

void Registry::RetireUnwanted(const std::string& model, const std::vector<int64_t>& wanted) {
  for (const VersionStatus& status : List(model)) {
    if (std::ranges::find(wanted, status.version) == wanted.end()) Retire(model, status.version, /*is_kept=*/false);
  }
}

void Registry::Retire(const std::string& model, int64_t version, bool is_kept) {
  std::shared_ptr<serving::Servable> last;  // dropped outside the lock
  bool is_ending = false;                   // and Ended will follow
  SetState(model, version, [&](Entry& entry) {
    last = std::move(entry.servable);
    entry.is_kept = is_kept;
    entry.status.is_initial = false;  // whoever brings it back takes nothing away from the server's readiness
    entry.status.error = absl::OkStatus();
    is_ending = last != nullptr || entry.status.state == VersionState::kUnloading;
    entry.status.state = is_ending ? VersionState::kUnloading : VersionState::kUnloaded;
  });
  if (last != nullptr) base::LogInfo("model unloading", {{"model", model}, {"version", version}});
  if (last != nullptr && is_kept) last->Unload();
  if (is_ending || is_kept) return;
  base::MutexLock lock(mutex_);
  Erase(model, version);
}

void Registry::Ended(const std::string& model, int64_t version, int64_t generation, const std::string& device) {
  SettleEnded(model, version, generation);
  if (options_.on_unloaded) options_.on_unloaded(device);
  base::LogInfo("model unloaded", {{"model", model}, {"version", version}});
  if (listener_) listener_();
  std::vector<Done> answered;
  {
    base::MutexLock lock(mutex_);
    for (Unloading& unloading : unloading_) {
      unloading.generations.erase(generation);
      if (unloading.generations.empty()) answered.push_back(std::move(unloading.done));
    }
    std::erase_if(unloading_, [](const Unloading& unloading) { return unloading.generations.empty(); });
  }
  for (const Done& done : answered) done(absl::OkStatus());
}

void Registry::SettleEnded(const std::string& model, int64_t version, int64_t generation) {
  base::MutexLock lock(mutex_);
  const auto found = models_.find(model);
  if (found == models_.end()) return;
  const auto it = found->second.find(version);
  const bool is_of_this = it != found->second.end() && it->second.generation == generation &&
                          it->second.status.state == VersionState::kUnloading;
  if (!is_of_this) return;
  if (!it->second.is_kept) return Erase(model, version);
  it->second.status.state = VersionState::kUnloaded;
  metrics_.SetModelState(model, version, std::string(Name(VersionState::kUnloaded)), VersionStateNames());
}

void Registry::Erase(const std::string& model, int64_t version) {
  models_[model].erase(version);
  if (models_[model].empty()) models_.erase(model);
  metrics_.ForgetModel(model, version, VersionStateNames());
}

void Registry::UnloadNow(const std::string& model, int64_t version, const Done& done) {
  std::vector<int64_t> leaving;
  Unloading unloading{{}, done};
  {
    base::MutexLock lock(mutex_);
    const auto found = models_.find(model);
    for (const auto& [number, entry] : found == models_.end() ? Versions() : found->second) {
      if ((version != 0 && version != number) || entry.status.state == VersionState::kUnloaded) continue;
      leaving.push_back(number);
      const bool will_end = entry.servable != nullptr || entry.status.state == VersionState::kUnloading;
      if (will_end) unloading.generations.insert(entry.generation);
    }
    // Before they are let go of, as one that is idle ends at once.
    if (!unloading.generations.empty()) unloading_.push_back(unloading);
  }
  if (leaving.empty()) {
    const absl::StatusOr<std::shared_ptr<serving::Servable>> found = Find(model, version);
    return done(base::MakeStatus(absl::StatusCode::kNotFound, "{}",
                                 found.ok() ? "nothing to unload" : base::MessageOf(found.status())));
  }
  if (version == 0) held_.insert(model);
  away_[model].insert(leaving.begin(), leaving.end());
  for (const int64_t one : leaving) Retire(model, one, /*is_kept=*/true);
  if (unloading.generations.empty()) done(absl::OkStatus());
}

absl::Status Registry::RescanNow() {
  FERRY_ASSIGN_OR_RETURN(const std::vector<ModelFolder> folders, ScanStore(options_.store));
  std::set<std::string> gone;
  for (const VersionStatus& status : List()) gone.insert(status.model);
  for (const ModelFolder& folder : folders) {
    gone.erase(folder.name);
    const std::string fingerprint = FingerprintOf(folder);
    const bool is_stable = seen_[folder.name] == fingerprint;
    seen_[folder.name] = fingerprint;
    if (!is_stable || held_.contains(folder.name) || applied_[folder.name] == fingerprint) continue;
    if (jobs_.stopping()) return Ending();
    base::LogInfo("model changed in the store", {{"model", folder.name}});
    LoadNow(folder, {}).IgnoreError();  // logged, and in its entry
  }
  for (const std::string& model : gone) {
    if (held_.contains(model)) continue;
    base::LogInfo("model gone from the store", {{"model", model}});
    applied_.erase(model);
    RetireUnwanted(model, {});
  }
  return absl::OkStatus();
}

void Registry::SetState(const std::string& model, int64_t version, const std::function<void(Entry&)>& change) {
  VersionState state;
  {
    base::MutexLock lock(mutex_);
    Entry& entry = models_[model][version];
    entry.status.model = model;
    entry.status.version = version;
    change(entry);
    state = entry.status.state;
    // What stood for a folder that could not be read.
    if (version != 0 && models_[model].contains(0)) Erase(model, 0);
  }
  metrics_.SetModelState(model, version, std::string(Name(state)), VersionStateNames());
  if (listener_) listener_();
}

absl::StatusOr<std::shared_ptr<serving::Servable>> Registry::Find(const std::string& model, int64_t version) const {
  base::MutexLock lock(mutex_);
  const auto found = models_.find(model);
  if (found == models_.end()) {
    return base::MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" is not in the store; it has: {}", model,
                            Listing(models_, [](const auto& item) { return item.first; }));
  }
  const Versions& versions = found->second;
  if (version != 0) {
    const auto it = versions.find(version);
    if (it == versions.end()) {
      return base::MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" has no version {}; it has: {}", model, version,
                              Listing(versions, [](const auto& item) { return std::to_string(item.first); }));
    }
    if (it->second.servable != nullptr) return it->second.servable;
    return NotServing(it->second.status);
  }
  const Entry* best = nullptr;
  for (const auto& [number, entry] : versions) {
    if (entry.servable != nullptr) return entry.servable;
    const bool may_come = entry.status.state == VersionState::kPending || entry.status.state == VersionState::kLoading;
    if (best == nullptr || may_come) best = &entry;
  }
  return NotServing(best->status);
}

bool Registry::HasModel(const std::string& model) const {
  base::MutexLock lock(mutex_);
  return models_.contains(model);
}

std::vector<VersionStatus> Registry::List(const std::string& model) const {
  base::MutexLock lock(mutex_);
  std::vector<VersionStatus> list;
  for (const auto& [name, versions] : models_) {
    if (!model.empty() && name != model) continue;
    for (const auto& [version, entry] : versions) {
      list.push_back(entry.status);
      list.back().servable = entry.servable;
    }
  }
  return list;
}

}  // namespace torchferry::registry
