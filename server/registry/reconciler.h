// Makes the table match the store, and the versions that users load and unload by hand.
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

// The next step of a change. `is_dropped` says that the server is stopping, and that the step must only report that.
using Step = std::function<void(bool is_dropped)>;

// Changes of one model run one after another, those of different models at the same time. A pool loads the versions, so
// no change waits for the loads of another model. Not thread-safe: one thread at a time calls it and runs its steps.
// Other threads may read the table meanwhile.
class Reconciler {
 public:
  struct Options {
    base::StoreFolder store;            // the store that LoadModel and Rescan read
    std::function<bool()> is_stopping;  // thread-safe; once it is true, no further version is loaded
    std::function<void(Step)> post;     // thread-safe; runs a step on the reconciler's thread, soon
    // Max time of a load; null: no limit.
    std::function<base::Duration(const config::ModelConfig&)> load_limit;
  };

  Reconciler(VersionTable& table, VersionLifecycle& lifecycle, LoadPool& pool, Options options)
      : table_(table), lifecycle_(lifecycle), pool_(pool), options_(std::move(options)) {}
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  // Adds the versions that the policy of each model wants, as PENDING.
  void Add(const std::vector<ModelFolder>& models);
  // Adds them as UNLOADED.
  void AddUnloaded(const std::vector<ModelFolder>& models);
  // Begins to load the PENDING versions.
  void LoadPending();
  // Registry::Load, Unload and Rescan. UNAVAILABLE when the server is stopping.
  void LoadModel(const std::string& model, const std::vector<int64_t>& versions, const Done& done);
  void Unload(const std::string& model, int64_t version, const Done& done);
  void Rescan(const Done& done);
  // The server is stopping, and no further step runs: waiting changes are told.
  void DropWaiting();

 private:
  struct Group;

  void AddModel(const ModelFolder& folder);
  // Whether the folder is not a model, and never was one while the server ran. Logs that once.
  bool IsForeign(const ModelFolder& folder);
  // Runs `change` when no other change of that model is running.
  void InTurn(const std::string& model, Step change);
  void EndTurn(const std::string& model);
  void LoadNow(const std::string& model, const std::vector<int64_t>& versions, const Done& done);
  void UnloadNow(const std::string& model, int64_t version, const Done& done);
  // Loads and retires what PlanChanges says. `done` gets the first error of a version that failed; then nothing is
  // retired.
  void Apply(const ModelFolder& folder, const std::vector<int64_t>& named, const std::set<int64_t>& away,
             bool is_asked_for, const Done& done);
  // Keeps the model's turn until all loads have ended; then calls `done` with the first error.
  void LoadAll(const std::string& model, const std::vector<VersionSource>& sources, const Done& done);
  void RetireGone(const std::string& model);

  VersionTable& table_;
  VersionLifecycle& lifecycle_;
  LoadPool& pool_;
  const Options options_;
  std::map<std::string, ModelMemory> memory_;        // by model
  std::set<std::string> foreign_;                    // folders that are not models
  std::map<std::string, std::deque<Step>> in_turn_;  // models with a running change, and the changes that wait for it
};

// The answer to changes while the server is stopping.
absl::Status Stopping();

}  // namespace torchferry::registry
