#include "server/registry/version_status.h"

#include <array>

#include "server/base/status.h"

namespace torchferry::registry {
namespace {

struct Row {
  VersionState state;
  std::string_view name;
};

constexpr std::array<Row, 7> kRows = {{{VersionState::kPending, "pending"},
                                       {VersionState::kLoading, "loading"},
                                       {VersionState::kReady, "ready"},
                                       {VersionState::kUnloading, "unloading"},
                                       {VersionState::kFailed, "failed"},
                                       {VersionState::kUnloaded, "unloaded"},
                                       {VersionState::kSuspect, "suspect"}}};

}  // namespace

std::string_view Name(VersionState state) { return kRows.at(static_cast<size_t>(state)).name; }

const std::vector<std::string>& VersionStateNames() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const Row& row : kRows) names.emplace_back(row.name);
    return names;
  }();
  return kNames;
}

bool IsServing(const VersionStatus& status) {
  return status.state == VersionState::kReady && (status.servable == nullptr || status.servable->can_run());
}

std::string NotReadyReason(const std::vector<VersionStatus>& versions, ReadinessPolicy policy) {
  size_t counted = 0;
  size_t ready = 0;
  size_t loading = 0;
  size_t failed = 0;
  size_t stranded = 0;  // READY, without a device to run on
  size_t suspect = 0;
  for (const VersionStatus& status : versions) {
    const bool is_ready = IsServing(status);
    const bool is_leaving = status.state == VersionState::kUnloading || status.state == VersionState::kUnloaded;
    if (is_leaving || (!status.is_initial && !is_ready)) continue;
    ++counted;
    ready += is_ready ? 1 : 0;
    stranded += status.state == VersionState::kReady && !is_ready ? 1 : 0;
    suspect += status.state == VersionState::kSuspect ? 1 : 0;
    failed += status.state == VersionState::kFailed ? 1 : 0;
    loading += status.state == VersionState::kPending || status.state == VersionState::kLoading ? 1 : 0;
  }
  if (loading > 0) return fmt::format("{} of {} versions are still loading", loading, counted);
  if (ready == counted || (policy == ReadinessPolicy::kAny && ready > 0)) return "";
  if (suspect > 0) {
    return fmt::format("{} of {} versions are suspect: a forward pass does not end; restart the server", suspect,
                       counted);
  }
  if (stranded > 0) return fmt::format("{} of {} versions have no device to run on", stranded, counted);
  return fmt::format("{} of {} versions failed to load", failed, counted);
}

absl::Status NotServing(const VersionStatus& status) {
  // 0 stands for a model whose configuration or folder is wrong: no version is meant.
  const std::string what = status.version == 0 ? fmt::format("model \"{}\"", status.model)
                                               : fmt::format("model \"{}\" version {}", status.model, status.version);
  if (status.state == VersionState::kFailed) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{} failed to load: {}", what,
                            base::MessageOf(status.error));
  }
  if (status.state == VersionState::kSuspect) return base::Annotate(status.error, what);
  if (status.state == VersionState::kUnloaded) {
    return base::MakeStatus(absl::StatusCode::kNotFound, "{} is unloaded; LoadModel loads it", what);
  }
  return base::MakeStatus(absl::StatusCode::kUnavailable, "{} is {}; try again later", what, Name(status.state));
}

}  // namespace torchferry::registry
