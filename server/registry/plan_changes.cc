#include "server/registry/plan_changes.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::registry {
namespace {

bool Contains(const std::vector<int64_t>& versions, int64_t version) {
  return std::ranges::find(versions, version) != versions.end();
}

bool ServesFilesOf(const ModelFolder& folder, const std::vector<CurrentVersion>& current, int64_t version,
                   bool is_asked_for) {
  const auto now = folder.fingerprints.find(version);
  return std::ranges::any_of(current, [&](const CurrentVersion& one) {
    return one.version == version && one.is_serving && !(is_asked_for && one.is_stale) &&
           now != folder.fingerprints.end() && one.fingerprint == now->second;
  });
}

}  // namespace

absl::StatusOr<Changes> PlanChanges(const ModelFolder& folder, const std::vector<CurrentVersion>& current,
                                    const std::vector<int64_t>& named, const std::set<int64_t>& away,
                                    bool is_asked_for) {
  FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> wanted, WantedVersions(folder));
  if (!named.empty()) wanted = named;
  Changes changes;
  for (const int64_t version : wanted) {
    if (away.contains(version) || Contains(changes.load, version)) continue;
    if (!ServesFilesOf(folder, current, version, is_asked_for)) changes.load.push_back(version);
  }
  for (const CurrentVersion& one : current) {
    if (!away.contains(one.version) && !Contains(wanted, one.version)) changes.retire.push_back(one.version);
  }
  return changes;
}

bool IsDue(const ModelMemory& memory, const std::string& fingerprint) {
  return !memory.is_held && memory.seen == fingerprint && memory.applied != fingerprint;
}

}  // namespace torchferry::registry
