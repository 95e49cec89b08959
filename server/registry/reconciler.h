// Brings what serves in line with the store, and with what users load and unload by hand.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/registry/plan_changes.h"
#include "server/registry/store_scanner.h"
#include "server/registry/version_lifecycle.h"
#include "server/registry/version_table.h"

namespace torchferry::registry {

// Called once, with the outcome of a change.
using Done = std::function<void(const absl::Status&)>;

// Not thread-safe: one thread at a time calls it. The table that it changes may be read meanwhile.
class Reconciler {
 public:
  struct Options {
    base::StoreFolder store;            // what LoadModel and Rescan look into
    std::function<bool()> is_stopping;  // thread-safe; once it is true, no further version is loaded
  };

  Reconciler(VersionTable& table, VersionLifecycle& lifecycle, Options options)
      : table_(table), lifecycle_(lifecycle), options_(std::move(options)) {}
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  // Takes the versions that the policy of each model wants; they are PENDING.
  void Add(const std::vector<ModelFolder>& models);
  // Loads what is PENDING.
  void LoadPending();
  // Registry::Load, Unload and Rescan. UNAVAILABLE when the server is stopping.
  absl::Status LoadModel(const std::string& model, const std::vector<int64_t>& versions);
  void Unload(const std::string& model, int64_t version, const Done& done);
  absl::Status Rescan();

 private:
  void AddModel(const ModelFolder& folder);
  // Loads and retires what PlanChanges says; the first error of a version that failed, and then nothing is retired.
  absl::Status Apply(const ModelFolder& folder, const std::vector<int64_t>& named, const std::set<int64_t>& away,
                     bool is_asked_for);
  absl::Status LoadAll(const ModelFolder& folder, const std::vector<int64_t>& versions, bool is_asked_for);
  void RetireGone(const std::string& model);

  VersionTable& table_;
  VersionLifecycle& lifecycle_;
  const Options options_;
  std::map<std::string, ModelMemory> memory_;  // by model
};

// What is answered to changes that come when the server is stopping.
absl::Status Stopping();

}  // namespace torchferry::registry
