#include "server/registry/version_table.h"

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/registry/listing.h"

namespace torchferry::registry {
namespace {

bool MayCome(VersionState state) { return state == VersionState::kPending || state == VersionState::kLoading; }

}  // namespace

void VersionTable::SetPending(const VersionSource& source) {
  Change(source.model, source.version, [&](Entry& entry) {
    entry.status.config = source.config;
    entry.status.is_initial = true;
    entry.fingerprint = source.fingerprint;
  });
}

bool VersionTable::SetLoading(const VersionSource& source) {
  bool serves = false;
  Change(source.model, source.version, [&](Entry& entry) {
    entry.fingerprint = source.fingerprint;
    serves = entry.servable != nullptr;
    if (serves) return;
    entry.status.state = VersionState::kLoading;
    entry.status.error = absl::OkStatus();
    entry.status.config = source.config;
    entry.is_kept = false;
  });
  return serves;
}

bool VersionTable::SetFailed(const std::string& model, int64_t version, const absl::Status& error) {
  bool has_failed = false;
  Change(model, version, [&](Entry& entry) {
    entry.is_stale = true;
    has_failed = entry.servable == nullptr;
    if (!has_failed) return;
    entry.status.state = VersionState::kFailed;
    // From here on it is shown to clients: it may say what files and code are called.
    entry.status.error = absl::Status(error.code(), base::ToUtf8(base::MessageOf(error)));
  });
  return has_failed;
}

void VersionTable::SetReady(const VersionSource& source, std::shared_ptr<serving::Servable> servable,
                            int64_t generation, double load_seconds) {
  Change(source.model, source.version, [&](Entry& entry) {
    entry.status.state = VersionState::kReady;
    entry.status.error = absl::OkStatus();
    entry.status.load_seconds = load_seconds;
    entry.status.config = source.config;
    entry.generation = generation;
    entry.is_stale = false;
    entry.servable.swap(servable);  // the one before is dropped when this has returned
  });
}

void VersionTable::SetSuspect(const std::string& model, int64_t version, int64_t generation, const absl::Status& why) {
  {
    base::MutexLock lock(mutex_);
    Entry* const entry = Look(model, version);
    if (entry == nullptr || entry->generation != generation || entry->servable == nullptr) return;
    entry->status.state = why.ok() ? VersionState::kReady : VersionState::kSuspect;
    entry->status.error = why;
    OnChange(*entry);
  }
  Tell();
}

VersionTable::Retired VersionTable::Retire(const std::string& model, int64_t version, bool is_kept) {
  Retired retired;
  {
    base::MutexLock lock(mutex_);
    if (!is_kept && Look(model, version) == nullptr) return retired;  // it ended after the caller had looked
    Entry& entry = LookOrAdd(model, version);
    retired.servable = std::move(entry.servable);
    const bool is_ending = retired.servable != nullptr || entry.status.state == VersionState::kUnloading;
    if (is_ending) retired.ending = entry.generation;
    entry.is_kept = is_kept;
    entry.status.is_initial = false;  // bringing it back takes nothing away from the server's readiness
    entry.status.error = absl::OkStatus();
    entry.status.state = is_ending ? VersionState::kUnloading : VersionState::kUnloaded;
    OnChange(entry);
    if (!is_ending && !is_kept) Erase(model, version);
  }
  Tell();
  return retired;
}

void VersionTable::Settle(const std::string& model, int64_t version, int64_t generation) {
  {
    base::MutexLock lock(mutex_);
    Entry* entry = Look(model, version);
    const bool is_of_this =
        entry != nullptr && entry->generation == generation && entry->status.state == VersionState::kUnloading;
    if (is_of_this && entry->is_kept) {
      entry->status.state = VersionState::kUnloaded;
      OnChange(*entry);
    } else if (is_of_this) {
      Erase(model, version);
    }
  }
  Tell();
}

void VersionTable::Clear() {
  std::map<std::string, Versions> dropped;  // outside the lock, which the ends of the servables take
  base::MutexLock lock(mutex_);
  dropped.swap(models_);
}

absl::StatusOr<std::shared_ptr<serving::Servable>> VersionTable::Find(const std::string& model, int64_t version) const {
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
    if (Serves(it->second)) return it->second.servable;
    return NotServing(it->second.status);
  }
  const Entry* best = nullptr;
  for (const auto& [number, entry] : versions) {
    if (Serves(entry)) return entry.servable;
    if (best == nullptr || MayCome(entry.status.state)) best = &entry;
  }
  return NotServing(best->status);
}

bool VersionTable::HasModel(const std::string& model) const {
  base::MutexLock lock(mutex_);
  return models_.contains(model);
}

std::vector<VersionStatus> VersionTable::List(const std::string& model) const {
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

std::vector<CurrentVersion> VersionTable::Current(const std::string& model) const {
  base::MutexLock lock(mutex_);
  std::vector<CurrentVersion> current;
  const auto found = models_.find(model);
  if (found == models_.end()) return current;
  for (const auto& [version, entry] : found->second) {
    current.push_back({version, Serves(entry), entry.fingerprint, entry.is_stale});
  }
  return current;
}

std::vector<VersionSource> VersionTable::Pending() const {
  base::MutexLock lock(mutex_);
  std::vector<VersionSource> pending;
  for (const auto& [model, versions] : models_) {
    for (const auto& [version, entry] : versions) {
      if (entry.status.state != VersionState::kPending) continue;
      pending.push_back(
          {.model = model, .version = version, .config = entry.status.config, .fingerprint = entry.fingerprint});
    }
  }
  return pending;
}

void VersionTable::Change(const std::string& model, int64_t version, const std::function<void(Entry&)>& change) {
  {
    base::MutexLock lock(mutex_);
    Entry& entry = LookOrAdd(model, version);
    change(entry);
    OnChange(entry);
  }
  Tell();
}

VersionTable::Entry* VersionTable::Look(const std::string& model, int64_t version) {
  const auto found = models_.find(model);
  if (found == models_.end()) return nullptr;
  const auto it = found->second.find(version);
  return it == found->second.end() ? nullptr : &it->second;
}

VersionTable::Entry& VersionTable::LookOrAdd(const std::string& model, int64_t version) {
  Entry& entry = models_[model][version];
  entry.status.model = model;
  entry.status.version = version;
  return entry;
}

void VersionTable::OnChange(const Entry& entry) {
  const std::string& model = entry.status.model;
  show_(model, entry.status.version, entry.status.state);
  if (entry.status.version != 0 && Look(model, 0) != nullptr) Erase(model, 0);
}

void VersionTable::Erase(const std::string& model, int64_t version) {
  const auto found = models_.find(model);
  found->second.erase(version);
  if (found->second.empty()) models_.erase(found);
  show_(model, version, std::nullopt);
}

}  // namespace torchferry::registry
