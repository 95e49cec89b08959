// Decides which versions of a model to load and which to retire. Pure: it takes values and returns values.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "server/registry/store_scanner.h"

namespace torchferry::registry {

// The version table's data on one version.
struct CurrentVersion {
  int64_t version = 0;
  bool is_serving = false;
  std::string fingerprint;  // of the files that were last loaded, or that failed to load
  bool is_stale = false;    // these files failed to load: the old ones still serve
};

struct Changes {
  std::vector<int64_t> load;    // in this order
  std::vector<int64_t> retire;  // once all versions of `load` serve; in the order of the table
  bool operator==(const Changes&) const = default;
};

// The changes that make `current` match what the store wants of one model.
// `named`: the versions that a user asked for, each of which `folder` has. Empty: the version policy decides.
// `away`: versions that a user unloaded. They are neither loaded nor retired.
// A version is loaded unless it serves and its fingerprint is the one that `folder` has now. If that fingerprint is of
// files that failed to load while old ones serve, it is loaded again only with `is_asked_for`.
// Errors: the config's own, and NOT_FOUND where the version policy finds no version. They are returned even with
// `named`.
absl::StatusOr<Changes> PlanChanges(const ModelFolder& folder, const std::vector<CurrentVersion>& current,
                                    const std::vector<int64_t>& named, const std::set<int64_t>& away,
                                    bool is_asked_for = false);

// State of one model that is kept between two looks at the store.
struct ModelMemory {
  std::string applied;     // fingerprint of the folder that was last acted on; empty: there was no such folder
  std::string seen;        // fingerprint of the folder at the last look
  bool is_held = false;    // a user chose its versions, so a Rescan changes nothing
  std::set<int64_t> away;  // versions that a user unloaded, which a Rescan does not bring back
};

// Whether a Rescan acts on a folder whose fingerprint is `fingerprint` now. The folder must be the same as at the last
// look, so that nobody is writing it. It must differ from the one that was acted on.
bool IsDue(const ModelMemory& memory, const std::string& fingerprint);

}  // namespace torchferry::registry
