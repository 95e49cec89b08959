// Name → version → servable: the loaded versions, and loading and unloading them while requests go on. This is the
// facade. The table (version_table.h) holds the versions, the reconciler (reconciler.h) changes it.
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

// Thread-safe. Changes of one model run one after another, those of several models at the same time. Versions are
// loaded on threads of their own.
class Registry {
 public:
  using ServableFactory = registry::ServableFactory;  // called on the threads that load, several at a time
  // Called once, on a thread of the registry, or on the caller's when the server is ending.
  using Done = registry::Done;

  struct Options {
    base::StoreFolder store;  // the store that Load and Rescan read
    VersionLifecycle::OnUnloaded on_unloaded;
    std::shared_ptr<LoadMarks> marks;  // null: no marks are kept
    LoadPool::Options loading;
    // Max time of a load; a version over it is FAILED. Null: no limit.
    std::function<base::Duration(const config::ModelConfig&)> load_limit;
  };

  Registry(ServableFactory factory, metrics::Metrics& metrics, const base::Clock& clock, Options options = {});
  // Calls Stop, unless that was called.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adds the versions that each model's policy wants, as PENDING. Call it once, before StartLoading.
  void Add(const std::vector<ModelFolder>& models) { reconciler_.Add(models); }
  // Adds the versions that each model's policy wants, as UNLOADED: none of them is loaded until Load is called. Call it
  // before StartLoading.
  void AddUnloaded(const std::vector<ModelFolder>& models) { reconciler_.AddUnloaded(models); }
  // Begins to load the PENDING versions. Call it once.
  void StartLoading();
  // Loads no further versions, drops every servable and waits until all have ended.
  void Stop();

  // The number of loads that were given up and have not ended. Stop waits for them.
  int stuck_loads() const { return pool_.stuck(); }
  // Whether a version is loading or waits for that, apart from given-up loads.
  bool is_loading() const { return !pool_.is_idle(); }

  // Makes the registry serve what the store has now: the versions that the model's policy wants, or `versions`. Named
  // `versions` are then kept whatever Rescan finds. A version whose files are the same stays as it is. One whose files
  // changed is loaded while its old files serve, and then replaces them. Versions that are no longer wanted are
  // unloaded when all wanted ones serve. `done` gets NOT_FOUND for a model or version that is not in the store, and
  // otherwise the error of the first version that failed. After an error the old versions still serve, and Rescan acts
  // as before. Files that failed to load are tried again.
  void Load(const std::string& model, const std::vector<int64_t>& versions, Done done);
  // Unloads a version, or all of a model (`version` 0). No request finds it from now on, and it ends when the requests
  // that did have been answered. Then `done` is called, when its memory is free. It stays unloaded until Load.
  // NOT_FOUND where there is no such version, or each is unloaded already. UNAVAILABLE when a forward pass of it does
  // not end.
  void Unload(const std::string& model, int64_t version, Done done);
  // Calls Load for each model whose files differ from those of its last load. They must be the same as at the last
  // Rescan, so that a model which is being written is left alone. Models whose folders are gone are unloaded. Models
  // that Load was given versions of are skipped, as are models and versions that were unloaded.
  void Rescan(Done done);

  // `version` 0: the newest that is READY. NOT_FOUND: no such model or version (the message lists the existing ones),
  // or it was unloaded. UNAVAILABLE: not loaded yet, ending, or suspect. FAILED_PRECONDITION: it failed to load, and
  // why.
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const {
    return table_.Find(model, version);
  }

  bool HasModel(const std::string& model) const { return table_.HasModel(model); }

  // Sorted by model, then by version, newest first. `model` empty: all.
  std::vector<VersionStatus> List(const std::string& model = "") const { return table_.List(model); }

  // `listener` is called after each change of a state, without a lock held. Set it before Add.
  void SetListener(std::function<void()> listener) { table_.SetListener(std::move(listener)); }

 private:
  VersionTable table_;
  VersionLifecycle lifecycle_;
  JobThread jobs_{"reconciler"};
  LoadPool pool_;
  Reconciler reconciler_;  // used only by the thread of jobs_, once that runs
};

}  // namespace torchferry::registry
