// The known facts about each version of each model, and the servables that serve. It decides nothing.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/registry/plan_changes.h"
#include "server/registry/version_status.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// A version to load, and its files.
struct VersionSource {
  std::string model;
  int64_t version = 0;
  std::shared_ptr<const config::ModelConfig> config;
  std::string fingerprint;    // of its files (store_scanner.h)
  bool is_asked_for = false;  // by name, by a user
};

// Thread-safe. Each change is atomic. A servable that the table releases is dropped without its lock.
class VersionTable {
 public:
  // Shows the state of a version after a change; nullopt: the table does not have it any more. It is called under the
  // table's lock, in the order of the changes, so it never shows an old state. It must not call the table.
  using Show = std::function<void(const std::string& model, int64_t version, std::optional<VersionState> state)>;

  // The result of Retire.
  struct Retired {
    std::shared_ptr<serving::Servable> servable;  // null where the version did not serve
    std::optional<int64_t> ending;                // generation of the servable whose end Settle reports
  };

  explicit VersionTable(Show show) : show_(std::move(show)) {}
  VersionTable(const VersionTable&) = delete;
  VersionTable& operator=(const VersionTable&) = delete;

  // `listener` is called after each change, without a lock held. Set it before the first change.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

  // Each of these changes one version, which is added if it is not in the table. Version 0 stands for a folder whose
  // versions could not be read. It is removed by the first change of another version of its model.

  // Adds one of the versions that the server starts with.
  void SetPending(const VersionSource& source);
  // Loading begins. A version that has a servable keeps its state, READY or SUSPECT. True if it has one.
  bool SetLoading(const VersionSource& source);
  // Loading has failed. A version that has a servable keeps its state. True if it has none.
  bool SetFailed(const std::string& model, int64_t version, const absl::Status& error);
  // `servable` replaces the one before. `generation` tells it from others of the same version.
  void SetReady(const VersionSource& source, std::shared_ptr<serving::Servable> servable, int64_t generation,
                double load_seconds);
  // The servable of `generation` is suspect, as `why` says, or with OK no longer. READY becomes SUSPECT, and back.
  void SetSuspect(const std::string& model, int64_t version, int64_t generation, const absl::Status& why);
  // No request finds the version from now on. If a servable has to end, it is UNLOADING until Settle. After that, or at
  // once without one, it is UNLOADED if `is_kept`, and otherwise removed. Without `is_kept` nothing is added.
  Retired Retire(const std::string& model, int64_t version, bool is_kept);
  // The servable of `generation` has ended. Ends UNLOADING, unless the version has another servable by now.
  void Settle(const std::string& model, int64_t version, int64_t generation);
  // Forgets everything. Neither Show nor the listener is called.
  void Clear();

  // `version` 0: the newest that is READY. The errors are those of Registry::Find.
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const;
  bool HasModel(const std::string& model) const;
  // Sorted by model, then by version, newest first. `model` empty: all.
  std::vector<VersionStatus> List(const std::string& model = "") const;
  // Newest version first.
  std::vector<CurrentVersion> Current(const std::string& model) const;
  // The versions that are PENDING, in the order of List.
  std::vector<VersionSource> Pending() const;

 private:
  struct Entry {
    VersionStatus status;
    std::shared_ptr<serving::Servable> servable;
    std::string fingerprint;  // of the files that were loaded, or that failed to load
    int64_t generation = 0;   // of the present servable, or of the last one
    bool is_stale = false;    // those files failed to load
    bool is_kept = false;     // as UNLOADED, after its servable has ended
  };
  static bool Serves(const Entry& entry) {
    return entry.servable != nullptr && entry.status.state == VersionState::kReady;
  }
  // Newest version first.
  using Versions = std::map<int64_t, Entry, std::greater<>>;

  // Changes an entry, which is added if it is not in the table, shows its state and calls the listener.
  void Change(const std::string& model, int64_t version, const std::function<void(Entry&)>& change);
  // Null where there is no such entry.
  Entry* Look(const std::string& model, int64_t version) FERRY_REQUIRES(mutex_);
  Entry& LookOrAdd(const std::string& model, int64_t version) FERRY_REQUIRES(mutex_);
  // Called after each change of an entry.
  void OnChange(const Entry& entry) FERRY_REQUIRES(mutex_);
  void Erase(const std::string& model, int64_t version) FERRY_REQUIRES(mutex_);
  void Tell() const {
    if (listener_) listener_();
  }

  std::function<void()> listener_;  // constant after the first change

  mutable base::Mutex mutex_;
  const Show show_ FERRY_GUARDED_BY(mutex_);  // constant, but called only under the lock
  std::map<std::string, Versions> models_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::registry
