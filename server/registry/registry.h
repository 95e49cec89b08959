// Name → version → servable, and what state each is in.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/metrics/metrics.h"
#include "server/registry/reaper.h"
#include "server/registry/store_scanner.h"
#include "server/serving/servable.h"

namespace torchferry {

enum class VersionState { kPending, kLoading, kReady, kUnloading, kFailed };

// "pending", "loading", …
std::string_view Name(VersionState state);

// A copy of what the registry knows of one version.
struct VersionStatus {
  std::string model;
  int64_t version = 0;  // 0: the folder could not be read as far as its versions
  VersionState state = VersionState::kPending;
  absl::Status error;  // of a FAILED version
  double load_seconds = 0;
  std::shared_ptr<const ModelConfig> config;  // null where it could not be read
  std::shared_ptr<const Servable> servable;  // of a READY version
};

enum class ReadinessPolicy {
  kAny,  // every version is READY or FAILED, and one is READY
  kAll,  // every version is READY
};

// Empty when ready, otherwise a sentence that says why not. Pure. A store without models is ready.
std::string NotReadyReason(const std::vector<VersionStatus>& versions, ReadinessPolicy policy);

// Thread-safe.
class Registry {
 public:
  // Loads one version; runs on the registry's loading thread and may take long.
  using ServableFactory = std::function<absl::StatusOr<std::unique_ptr<Servable>>(
      const std::string& model, int64_t version, const ModelConfig& config)>;

  Registry(ServableFactory factory, Metrics& metrics, const Clock& clock);
  // Stop, if that was not called.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Takes the versions that each model's policy wants; they are PENDING. Once, before StartLoading.
  void Add(const std::vector<ModelFolder>& models);
  // Begins to load what is PENDING, one after another, on a thread of its own. Once.
  void StartLoading();
  // Ends loading after the version under way, drops every servable and waits until they have ended.
  void Stop();

  // `version` 0: the newest that is READY. NOT_FOUND: no such model or version (the message lists those there are).
  // UNAVAILABLE: not loaded yet. FAILED_PRECONDITION: it failed to load, and why.
  absl::StatusOr<std::shared_ptr<Servable>> Find(const std::string& model, int64_t version) const;

  bool HasModel(const std::string& model) const;

  // Sorted by model, then by version, newest first. `model` empty: all.
  std::vector<VersionStatus> List(const std::string& model = "") const;

  // Called after each change of a state, without a lock held. Set before Add.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  struct Entry {
    VersionStatus status;
    std::shared_ptr<Servable> servable;
  };
  // Newest version first.
  using Versions = std::map<int64_t, Entry, std::greater<>>;

  void AddModel(const ModelFolder& folder) TF_EXCLUDES(mutex_);
  void AddFailed(const std::string& model, int64_t version, const absl::Status& why);
  void LoadLoop();
  void LoadOne(const std::string& model, int64_t version);
  void SetState(const std::string& model, int64_t version, const std::function<void(Entry&)>& change);
  std::optional<std::pair<std::string, int64_t>> NextPending() const;

  const ServableFactory factory_;
  Metrics& metrics_;
  const Clock& clock_;
  std::function<void()> listener_;  // constant after Add
  std::unique_ptr<Reaper> reaper_;

  mutable Mutex mutex_;
  std::map<std::string, Versions> models_ TF_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_{false};
  std::thread loader_;
};

}  // namespace torchferry
