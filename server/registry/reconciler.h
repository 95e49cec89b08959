// Brings what serves in line with the store, and with what users load and unload by hand.
#pragma once

#include <absl/status/statusor.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/store_folder.h"
#include "server/registry/load_pool.h"
#include "server/registry/plan_changes.h"
#include "server/registry/store_scanner.h"
#include "server/registry/version_lifecycle.h"
#include "server/registry/version_table.h"

namespace torchferry::registry {

// Called once, with the outcome of a change.
using Done = std::function<void(const absl::Status&)>;

// What a change has to be done next: `is_dropped` says that the server is stopping, and that it only has to say so.
using Step = std::function<void(bool is_dropped)>;

// Changes of one model come one after another, those of different models beside each other: versions are loaded by a
// pool, and no change waits for the loads of another model. Not thread-safe: one thread at a time calls it, and runs
// its steps. The table that it changes may be read meanwhile.
class Reconciler {
 public:
  struct Options {
    base::StoreFolder store;            // what LoadModel and Rescan look into
    std::function<bool()> is_stopping;  // thread-safe; once it is true, no further version is loaded
    std::function<void(Step)> post;     // thread-safe; has a step done on the thread of the reconciler, soon
    // How long a load may take; null: as long as it takes.
    std::function<base::Duration(const config::ModelConfig&)> load_limit;
  };

  Reconciler(VersionTable& table, VersionLifecycle& lifecycle, LoadPool& pool, Options options)
      : table_(table), lifecycle_(lifecycle), pool_(pool), options_(std::move(options)) {}
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  // Takes the versions that the policy of each model wants; they are PENDING.
  void Add(const std::vector<ModelFolder>& models);
  // Takes them as UNLOADED.
  void AddUnloaded(const std::vector<ModelFolder>& models);
  // Begins to load what is PENDING.
  void LoadPending();
  // Registry::Load, Unload and Rescan. UNAVAILABLE when the server is stopping.
  void LoadModel(const std::string& model, const std::vector<int64_t>& versions, const Done& done);
  void Unload(const std::string& model, int64_t version, const Done& done);
  void Rescan(const Done& done);
  // The server is stopping, and no step comes any more: what waits is told.
  void DropWaiting();

 private:
  struct Group;

  void AddModel(const ModelFolder& folder);
  // No model, and never was one while the server ran; says so once.
  bool IsForeign(const ModelFolder& folder);
  // `change` when no other of that model is running.
  void InTurn(const std::string& model, Step change);
  void EndTurn(const std::string& model);
  void LoadNow(const std::string& model, const std::vector<int64_t>& versions, const Done& done);
  void UnloadNow(const std::string& model, int64_t version, const Done& done);
  // Loads and retires what PlanChanges says; the first error of a version that failed, and then nothing is retired.
  void Apply(const ModelFolder& folder, const std::vector<int64_t>& named, const std::set<int64_t>& away,
             bool is_asked_for, const Done& done);
  // The model's turn until all have ended; then `done`, with the first error.
  void LoadAll(const std::string& model, const std::vector<VersionSource>& sources, const Done& done);
  void RetireGone(const std::string& model);

  VersionTable& table_;
  VersionLifecycle& lifecycle_;
  LoadPool& pool_;
  const Options options_;
  std::map<std::string, ModelMemory> memory_;        // by model
  std::set<std::string> foreign_;                    // folders that are no models
  std::map<std::string, std::deque<Step>> in_turn_;  // models with a running change, and what waits for it
};

// What is answered to changes that come when the server is stopping.
absl::Status Stopping();

}  // namespace torchferry::registry
