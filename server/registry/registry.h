// Name → version → servable: what is loaded, loading it, and taking it away, while requests go on.
// This is the face. The table (version_table.h) says what is there, the reconciler (reconciler.h) changes it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/store_folder.h"
#include "server/metrics/metrics.h"
#include "server/registry/job_thread.h"
#include "server/registry/load_pool.h"
#include "server/registry/reconciler.h"
#include "server/registry/store_scanner.h"
#include "server/registry/version_lifecycle.h"
#include "server/registry/version_status.h"
#include "server/registry/version_table.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// Thread-safe. Changes of one model happen one after another, those of several models beside each other; versions are
// loaded on threads of their own.
class Registry {
 public:
  using ServableFactory = registry::ServableFactory;  // called on the threads that load, several at a time
  // Called once, on a thread of the registry, or on the caller's when the server is ending.
  using Done = registry::Done;

  struct Options {
    base::StoreFolder store;  // what Load and Rescan look into
    VersionLifecycle::OnUnloaded on_unloaded;
    std::shared_ptr<LoadMarks> marks;  // null: nothing is remembered
    LoadPool::Options loading;
    // How long a load may take; beyond it the version is FAILED. Null: as long as it takes.
    std::function<base::Duration(const config::ModelConfig&)> load_limit;
  };

  Registry(ServableFactory factory, metrics::Metrics& metrics, const base::Clock& clock, Options options = {});
  // Stop, if that was not called.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Takes the versions that each model's policy wants; they are PENDING. Once, before StartLoading.
  void Add(const std::vector<ModelFolder>& models) { reconciler_.Add(models); }
  // Shows the versions that each model's policy wants as UNLOADED: nothing of them is loaded until Load is called.
  // Before StartLoading.
  void AddUnloaded(const std::vector<ModelFolder>& models) { reconciler_.AddUnloaded(models); }
  // Begins to load what is PENDING. Once.
  void StartLoading();
  // Ends loading after the running versions, drops every servable and waits until they have ended.
  void Stop();

  // Loads that were given up and have not ended. Stop waits for them.
  int stuck_loads() const { return pool_.stuck(); }
  // Whether a version is being loaded, or waits for that; those loads aside.
  bool is_loading() const { return !pool_.is_idle(); }

  // Makes what serves what the store has now: the versions that the model's policy wants, or `versions`, which are then
  // kept whatever Rescan finds. A version whose files are the same stays as it is; one whose files changed is loaded
  // beside itself and takes its own place. The versions that are no longer wanted go when all that are wanted serve.
  // `done` gets NOT_FOUND for a model or version that the store has not, and otherwise the error of the first version
  // that failed; what served goes on, and Rescan does as before. Files that failed to load are tried again.
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
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const {
    return table_.Find(model, version);
  }

  bool HasModel(const std::string& model) const { return table_.HasModel(model); }

  // Sorted by model, then by version, newest first. `model` empty: all.
  std::vector<VersionStatus> List(const std::string& model = "") const { return table_.List(model); }

  // Called after each change of a state, without a lock held. Set before Add.
  void SetListener(std::function<void()> listener) { table_.SetListener(std::move(listener)); }

 private:
  VersionTable table_;
  VersionLifecycle lifecycle_;
  JobThread jobs_{"reconciler"};
  LoadPool pool_;
  Reconciler reconciler_;  // of the thread of jobs_ alone, once that has begun
};

}  // namespace torchferry::registry
