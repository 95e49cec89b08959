#include "server/registry/registry.h"

#include <algorithm>
#include <array>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry {
namespace {

constexpr std::array<VersionState, 5> kAllStates = {VersionState::kPending, VersionState::kLoading, VersionState::kReady,
                                                    VersionState::kUnloading, VersionState::kFailed};

std::vector<std::string> StateNames() {
  std::vector<std::string> names;
  for (const VersionState state : kAllStates) names.emplace_back(Name(state));
  return names;
}

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

absl::Status Unloaded(const VersionStatus& status) {
  const std::string what = fmt::format("model \"{}\" version {}", status.model, status.version);
  if (status.state == VersionState::kFailed) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "{} failed to load: {}", what, MessageOf(status.error));
  }
  return MakeStatus(absl::StatusCode::kUnavailable, "{} is {}; try again later", what, Name(status.state));
}

}  // namespace

std::string_view Name(VersionState state) {
  switch (state) {
    case VersionState::kPending:
      return "pending";
    case VersionState::kLoading:
      return "loading";
    case VersionState::kReady:
      return "ready";
    case VersionState::kUnloading:
      return "unloading";
    case VersionState::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string NotReadyReason(const std::vector<VersionStatus>& versions, ReadinessPolicy policy) {
  size_t ready = 0;
  size_t failed = 0;
  for (const VersionStatus& status : versions) {
    ready += status.state == VersionState::kReady ? 1 : 0;
    failed += status.state == VersionState::kFailed ? 1 : 0;
  }
  if (versions.empty() || ready == versions.size()) return "";
  if (ready + failed < versions.size()) {
    return fmt::format("{} of {} versions are still loading", versions.size() - ready - failed, versions.size());
  }
  if (policy == ReadinessPolicy::kAny && ready > 0) return "";
  return fmt::format("{} of {} versions failed to load", failed, versions.size());
}

Registry::Registry(ServableFactory factory, Metrics& metrics, const Clock& clock)
    : factory_(std::move(factory)), metrics_(metrics), clock_(clock), reaper_(std::make_unique<Reaper>()) {}

Registry::~Registry() { Stop(); }

void Registry::Add(const std::vector<ModelFolder>& models) {
  for (const ModelFolder& folder : models) AddModel(folder);
}

void Registry::StartLoading() {
  loader_ = std::thread([this] { LoadLoop(); });
}

void Registry::Stop() {
  stopping_ = true;
  if (loader_.joinable()) loader_.join();
  {
    MutexLock lock(mutex_);
    models_.clear();
  }
  reaper_.reset();
}

void Registry::AddModel(const ModelFolder& folder) {
  for (const std::string& entry : folder.ignored) {
    LogWarning("folder ignored: a version is a positive integer", {{"model", folder.name}, {"folder", entry}});
  }
  if (!folder.config.ok()) return AddFailed(folder.name, 0, folder.config.status());
  for (const std::string& warning : folder.config->warnings) {
    LogWarning("configuration", {{"model", folder.name}, {"detail", warning}});
  }
  if (folder.versions.empty()) {
    return AddFailed(folder.name, 0,
                     MakeStatus(absl::StatusCode::kNotFound, "{}/ has no version: put the model file into {}/1/", folder.name,
                                folder.name));
  }
  const std::vector<int64_t> wanted = SelectVersions(folder.config->version_policy, folder.versions);
  if (wanted.empty()) {
    return AddFailed(folder.name, 0,
                     MakeStatus(absl::StatusCode::kNotFound, "{}/ has none of the versions that its version_policy names", folder.name));
  }
  const auto config = std::make_shared<const ModelConfig>(*folder.config);
  for (const int64_t version : wanted) {
    {
      MutexLock lock(mutex_);
      Entry& entry = models_[folder.name][version];
      entry.status.config = config;
      entry.status.model = folder.name;
      entry.status.version = version;
    }
    SetState(folder.name, version, [](Entry&) {});
  }
}

void Registry::AddFailed(const std::string& model, int64_t version, const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    Entry& entry = models_[model][version];
    entry.status.model = model;
    entry.status.version = version;
  }
  LogError("model failed", {{"model", model}, {"version", version}, {"code", CodeName(why.code())}, {"reason", MessageOf(why)}});
  SetState(model, version, [&](Entry& entry) {
    entry.status.state = VersionState::kFailed;
    entry.status.error = why;
  });
}

void Registry::LoadLoop() {
  while (!stopping_) {
    const auto next = NextPending();
    if (!next.has_value()) return;
    LoadOne(next->first, next->second);
  }
}

std::optional<std::pair<std::string, int64_t>> Registry::NextPending() const {
  MutexLock lock(mutex_);
  for (const auto& [model, versions] : models_) {
    for (const auto& [version, entry] : versions) {
      if (entry.status.state == VersionState::kPending) return std::pair(model, version);
    }
  }
  return std::nullopt;
}

void Registry::LoadOne(const std::string& model, int64_t version) {
  std::shared_ptr<const ModelConfig> config;
  SetState(model, version, [&](Entry& entry) {
    entry.status.state = VersionState::kLoading;
    config = entry.status.config;
  });
  LogInfo("model loading", {{"model", model}, {"version", version}});
  const TimePoint started = clock_.Now();
  absl::StatusOr<std::unique_ptr<Servable>> loaded = factory_(model, version, *config);
  const double seconds = ToSeconds(clock_.Now() - started);
  if (!loaded.ok()) return AddFailed(model, version, loaded.status());

  const ModelInfo& info = (*loaded)->info();
  const std::string device = ToString((*loaded)->device());
  if (info.fallback) {
    LogWarning("model fell back", {{"model", model},
                                   {"version", version},
                                   {"from", info.fallback_from},
                                   {"to", device},
                                   {"reason", info.fallback_reason}});
  }
  LogInfo("model ready", {{"model", model},
                          {"version", version},
                          {"device", device},
                          {"file", info.file_path},
                          {"format", info.format},
                          {"sha256", info.sha256 ? info.sha256() : ""},
                          {"producer", info.producer},
                          {"saved_devices", fmt::format("{}", fmt::join(info.saved_devices, ","))},
                          {"saved_dtypes", fmt::format("{}", fmt::join(info.saved_dtypes, ","))},
                          {"precision", info.precision},
                          {"decisions", fmt::format("{}", fmt::join(info.decisions, "; "))},
                          {"load_seconds", fmt::format("{:.3f}", seconds)}});
  metrics_.ModelLoaded(model, version, seconds);
  SetState(model, version, [&](Entry& entry) {
    entry.status.state = VersionState::kReady;
    entry.status.load_seconds = seconds;
    entry.servable = reaper_->Adopt(*std::move(loaded));
  });
}

void Registry::SetState(const std::string& model, int64_t version, const std::function<void(Entry&)>& change) {
  VersionState state;
  {
    MutexLock lock(mutex_);
    Entry& entry = models_.at(model).at(version);
    change(entry);
    state = entry.status.state;
  }
  static const std::vector<std::string> kNames = StateNames();
  metrics_.SetModelState(model, version, std::string(Name(state)), kNames);
  if (listener_) listener_();
}

absl::StatusOr<std::shared_ptr<Servable>> Registry::Find(const std::string& model, int64_t version) const {
  MutexLock lock(mutex_);
  const auto found = models_.find(model);
  if (found == models_.end()) {
    return MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" is not in the store; it has: {}", model,
                      Listing(models_, [](const auto& item) { return item.first; }));
  }
  const Versions& versions = found->second;
  if (version != 0) {
    const auto it = versions.find(version);
    if (it == versions.end()) {
      return MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" has no version {}; it has: {}", model, version,
                        Listing(versions, [](const auto& item) { return std::to_string(item.first); }));
    }
    if (it->second.servable != nullptr) return it->second.servable;
    return Unloaded(it->second.status);
  }
  const Entry* best = nullptr;
  for (const auto& [number, entry] : versions) {
    if (entry.servable != nullptr) return entry.servable;
    const bool may_come = entry.status.state == VersionState::kPending || entry.status.state == VersionState::kLoading;
    if (best == nullptr || may_come) best = &entry;
  }
  return Unloaded(best->status);
}

bool Registry::HasModel(const std::string& model) const {
  MutexLock lock(mutex_);
  return models_.contains(model);
}

std::vector<VersionStatus> Registry::List(const std::string& model) const {
  MutexLock lock(mutex_);
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

}  // namespace torchferry
