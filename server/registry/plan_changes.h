// Decides which versions of a model to load and which to retire. Pure: it takes values and returns values.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "server/registry/store_scanner.h"

namespace torchferry::registry {

// What the version table has of one version.
struct CurrentVersion {
  int64_t version = 0;
  bool is_serving = false;
  std::string fingerprint;  // of the files that were last loaded, or that failed to load
  bool is_stale = false;    // these failed: what serves is what was there before
};

struct Changes {
  std::vector<int64_t> load;    // in this order
  std::vector<int64_t> retire;  // when all versions of `load` serve; in the order of the table
  bool operator==(const Changes&) const = default;
};

// The changes that make `current` what the store wants of one model.
// `named`: the versions that a user asked for, each of which `folder` has. Empty: the version policy decides.
// `away`: versions that a user unloaded. They are neither loaded nor retired.
// A version is loaded unless it serves files with the fingerprint that `folder` has now. With `is_asked_for`, one whose
// files failed to load is tried again; otherwise it is not before they change.
// Errors: the config's own, and NOT_FOUND where the version policy finds no version. They come before `named` counts.
absl::StatusOr<Changes> PlanChanges(const ModelFolder& folder, const std::vector<CurrentVersion>& current,
                                    const std::vector<int64_t>& named, const std::set<int64_t>& away,
                                    bool is_asked_for = false);

// What is remembered of one model between two looks at the store.
struct ModelMemory {
  std::string applied;     // fingerprint of the folder that was last acted on; empty: none was
  std::string seen;        // fingerprint of the folder at the last look
  bool is_held = false;    // a user chose its versions, so a Rescan changes nothing
  std::set<int64_t> away;  // versions that a user unloaded, which a Rescan does not bring back
};

// Whether a Rescan acts on a folder that has `fingerprint` now. It does when the folder was the same at the last look,
// so that nobody is writing it, and differs from what was acted on.
bool IsDue(const ModelMemory& memory, const std::string& fingerprint);

}  // namespace torchferry::registry
