// Reports for probes on passes and loads that do not end.
#pragma once

#include <string>
#include <vector>

#include "server/batching/scheduler.h"
#include "server/registry/version_status.h"

namespace torchferry::app {

// Why requests would not be answered, whatever the models' states. Empty: they would be answered.
std::string NotAnswering(const batching::Scheduler::Report& report);

// A line for each fault: "degraded: 1 of 3 workers in a forward pass that does not end, 2 at most are replaced".
std::string DegradedByStuck(const batching::Scheduler::Report& report, int stuck_loads,
                            const std::vector<registry::VersionStatus>& versions);

int SuspectVersions(const std::vector<registry::VersionStatus>& versions);

}  // namespace torchferry::app
