#include "server/app/stuck_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::app {

std::string NotAnswering(const batching::Scheduler::Report& report) {
  const batching::WorkerCounts& workers = report.workers;
  const bool is_none_to_come = workers.alive >= workers.planned + workers.max_extra;
  const bool are_all_stuck = workers.stuck >= workers.alive;
  if (!is_none_to_come || !IsNoneFree(workers) || (!are_all_stuck && !workers.others_wait)) return "";
  return fmt::format(
      "no worker is left: of {}, {} are in forward passes that do not end, {} in batches that last; restart the server",
      workers.alive, workers.stuck, workers.held_up);
}

std::string DegradedByStuck(const batching::Scheduler::Report& report, int stuck_loads,
                            const std::vector<registry::VersionStatus>& versions) {
  const batching::WorkerCounts& workers = report.workers;
  std::string lines;
  if (workers.stuck > 0) {
    lines += fmt::format("degraded: {} of {} workers in a forward pass that does not end, {} at most are replaced\n",
                         workers.stuck, workers.alive, workers.max_extra);
  }
  if (report.stuck_callers > 0) {
    lines += fmt::format("degraded: {} of the threads that carry calls in a forward pass that does not end\n",
                         report.stuck_callers);
  }
  if (workers.held_up > 0) {
    lines += fmt::format("degraded: {} of {} workers held up by a batch that lasts\n", workers.held_up, workers.alive);
  }
  if (stuck_loads > 0) lines += fmt::format("degraded: {} loads do not end\n", stuck_loads);
  for (const registry::VersionStatus& version : versions) {
    if (version.state != registry::VersionState::kSuspect) continue;
    lines += fmt::format("degraded: model \"{}\" version {}: {}\n", version.model, version.version,
                         base::MessageOf(version.error));
  }
  return lines;
}

int SuspectVersions(const std::vector<registry::VersionStatus>& versions) {
  return static_cast<int>(
      std::ranges::count(versions, registry::VersionState::kSuspect, &registry::VersionStatus::state));
}

}  // namespace torchferry::app
