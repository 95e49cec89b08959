// What it means for probes that something does not end.
#pragma once

#include <string>
#include <vector>

#include "server/batching/scheduler.h"
#include "server/registry/version_status.h"

namespace torchferry::app {

// Why requests would not be answered, whatever the models' states; empty: they would.
std::string NotAnswering(const batching::Scheduler::Report& report);

// A line for each thing that is not as it should be: "degraded: 1 of 3 workers is in a forward pass that does not end".
std::string DegradedByStuck(const batching::Scheduler::Report& report, int stuck_loads,
                            const std::vector<registry::VersionStatus>& versions);

int SuspectVersions(const std::vector<registry::VersionStatus>& versions);

}  // namespace torchferry::app
