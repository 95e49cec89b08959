// version_policy: which of a model's versions are served.
#include <algorithm>
#include <functional>
#include <vector>

#include "server/config/sections.h"

namespace torchferry::config {
namespace {

std::vector<int64_t> ReadSpecific(const ConfigSource& source) {
  const auto& versions = source.message.version_policy().specific().versions();
  const TextPositions& positions = source.positions.In("version_policy").In("specific");
  if (versions.empty()) {
    source.findings.Error(positions.at(), "version_policy.specific has no versions; expected at least one");
  }
  for (int i = 0; i < versions.size(); ++i) {
    if (versions[i] >= 1) continue;
    source.findings.Error(positions.Of("versions", i), "version_policy.specific.versions has {}; expected 1 or more",
                          versions[i]);
  }
  return {versions.begin(), versions.end()};
}

}  // namespace

void ReadVersionPolicy(const ConfigSource& source, ModelConfig& config) {
  if (!source.message.has_version_policy()) return;
  const inference::ModelVersionPolicy& message = source.message.version_policy();
  const TextPositions& positions = source.positions.In("version_policy");
  VersionPolicy& policy = config.version_policy;
  switch (message.policy_choice_case()) {
    case inference::ModelVersionPolicy::kLatest:
      policy.kind = VersionPolicy::Kind::kLatest;
      policy.latest = message.latest().num_versions();
      if (policy.latest < 1) {
        source.findings.Error(positions.In("latest").Of("num_versions"),
                              "version_policy.latest.num_versions is {}; expected 1 or more", policy.latest);
      }
      break;
    case inference::ModelVersionPolicy::kAll:
      policy.kind = VersionPolicy::Kind::kAll;
      break;
    case inference::ModelVersionPolicy::kSpecific:
      policy.kind = VersionPolicy::Kind::kSpecific;
      policy.specific = ReadSpecific(source);
      break;
    case inference::ModelVersionPolicy::POLICY_CHOICE_NOT_SET:
      source.findings.Error(positions.at(),
                            "version_policy is empty; expected latest {{ num_versions: 1 }}, all {{}} or "
                            "specific {{ versions: [ 1 ] }}");
      break;
  }
}

std::vector<int64_t> SelectVersions(const VersionPolicy& policy, std::vector<int64_t> available) {
  std::sort(available.begin(), available.end(), std::greater<>());
  available.erase(std::unique(available.begin(), available.end()), available.end());
  if (policy.kind == VersionPolicy::Kind::kLatest) {
    const auto wanted = static_cast<uint64_t>(std::max<int64_t>(policy.latest, 0));
    if (available.size() > wanted) available.resize(wanted);
  } else if (policy.kind == VersionPolicy::Kind::kSpecific) {
    std::erase_if(available, [&](int64_t version) {
      return std::find(policy.specific.begin(), policy.specific.end(), version) == policy.specific.end();
    });
  }
  return available;
}

}  // namespace torchferry::config
