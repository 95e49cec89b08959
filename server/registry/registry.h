// Name → version → servable: what is loaded, loading it, and taking it away, while requests go on.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/metrics/metrics.h"
#include "server/registry/job_thread.h"
#include "server/registry/reaper.h"
#include "server/registry/store_scanner.h"
#include "server/registry/version_status.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// Thread-safe. Loading, reloading and unloading happen one after another on a thread of its own.
class Registry {
 public:
  // Loads one version; runs on the registry's thread and may take long.
  using ServableFactory = std::function<absl::StatusOr<std::unique_ptr<serving::Servable>>(
      const std::string& model, int64_t version, const config::ModelConfig& config)>;
  // Called once, on a thread of the registry, or on the caller's when the server is ending.
  using Done = std::function<void(const absl::Status&)>;

  struct Options {
    std::string store;  // the folder that Load and Rescan look into
    // A version has ended and its memory is free; on the reaper's thread.
    std::function<void(const std::string& device)> on_unloaded;
  };

  Registry(ServableFactory factory, metrics::Metrics& metrics, const base::Clock& clock, Options options = {});
  // Stop, if that was not called.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Takes the versions that each model's policy wants; they are PENDING. Once, before StartLoading.
  void Add(const std::vector<ModelFolder>& models);
  // Begins to load what is PENDING. Once.
  void StartLoading();
  // Ends loading after the version under way, drops every servable and waits until they have ended.
  void Stop();

  // Makes what serves what the store has now: the versions that the model's policy wants, or `versions`, which are then
  // kept whatever Rescan finds. A version whose files are the same stays as it is; one whose files changed is loaded
  // beside itself and takes its own place. The versions that are no longer wanted go when all that are wanted serve.
  // `done` gets NOT_FOUND for a model or version that the store has not, and otherwise the error of the first version
  // that failed; what served goes on, and Rescan does as before.
  void Load(const std::string& model, const std::vector<int64_t>& versions, Done done);
  // Takes a version away, or all of them (`version` 0): no request finds it from now on, and it ends when those that
  // did have been answered; then `done` is called, its memory being free. It stays away until it is loaded again.
  // NOT_FOUND where nothing of that name serves, loads, is ending or has failed.
  void Unload(const std::string& model, int64_t version, Done done);
  // Load, for each model of the store whose files are others than when it was last loaded, and the same as at the last
  // Rescan, so that one which is being written is left alone. Models whose folders are gone are unloaded. Not for those
  // that Load was told versions of, nor for models or versions that were unloaded.
  void Rescan(Done done);

  // `version` 0: the newest that is READY. NOT_FOUND: no such model or version (the message lists those there are), or
  // it was unloaded. UNAVAILABLE: not loaded yet. FAILED_PRECONDITION: it failed to load, and why.
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const;

  bool HasModel(const std::string& model) const;

  // Sorted by model, then by version, newest first. `model` empty: all.
  std::vector<VersionStatus> List(const std::string& model = "") const;

  // Called after each change of a state, without a lock held. Set before Add.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  struct Entry {
    VersionStatus status;
    std::shared_ptr<serving::Servable> servable;
    std::string fingerprint;  // of the files that were loaded, or that failed to load
    int64_t generation = 0;   // of the servable that is there, or was last
    bool is_kept = false;     // as UNLOADED, once it has ended
  };
  // An Unload, and what must have ended before it is answered.
  struct Unloading {
    std::set<int64_t> generations;
    Done done;
  };
  // Newest version first.
  using Versions = std::map<int64_t, Entry, std::greater<>>;

  void AddModel(const ModelFolder& folder);
  void AddFailed(const std::string& model, int64_t version, const absl::Status& why);
  void LoadPending();
  absl::Status LoadNow(const ModelFolder& folder, const std::vector<int64_t>& asked);
  absl::Status LoadNow(const std::string& model, const std::vector<int64_t>& asked);
  void UnloadNow(const std::string& model, int64_t version, const Done& done);
  absl::Status RescanNow();
  absl::Status LoadOne(const std::string& model, int64_t version, std::shared_ptr<const config::ModelConfig> config,
                       const std::string& fingerprint);
  void Retire(const std::string& model, int64_t version, bool is_kept);
  void RetireUnwanted(const std::string& model, const std::vector<int64_t>& wanted);
  void Ended(const std::string& model, int64_t version, int64_t generation, const std::string& device);
  void SettleEnded(const std::string& model, int64_t version, int64_t generation);
  void Erase(const std::string& model, int64_t version) FERRY_REQUIRES(mutex_);
  void SetState(const std::string& model, int64_t version, const std::function<void(Entry&)>& change);
  std::optional<VersionStatus> NextPending() const;
  bool IsServing(const std::string& model, int64_t version, const std::string& fingerprint) const;

  const ServableFactory factory_;
  metrics::Metrics& metrics_;
  const base::Clock& clock_;
  const Options options_;
  std::function<void()> listener_;  // constant after Add
  std::unique_ptr<Reaper> reaper_;

  mutable base::Mutex mutex_;
  std::map<std::string, Versions> models_ FERRY_GUARDED_BY(mutex_);
  std::vector<Unloading> unloading_ FERRY_GUARDED_BY(mutex_);

  // Of the thread alone.
  std::map<std::string, std::string> applied_;  // by model: the fingerprint that was last acted on
  std::map<std::string, std::string> seen_;     // likewise: that of the last Rescan
  std::set<std::string> held_;                  // models that Rescan leaves alone
  std::map<std::string, std::set<int64_t>>
      away_;  // versions that were unloaded one by one: Rescan does not bring them back
  int64_t last_generation_ = 0;
  JobThread jobs_;
};

}  // namespace torchferry::registry
