// What the index of a version's files says of the memory that loading takes.
#pragma once

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// Whether its weights are packed anew, for the CPU alone. Pure.
bool IsQuantized(const PlannedVersion& planned);

// For EstimateLoadMemory, of all that `planned` has read. Pure.
LoadMemoryFacts MemoryFactsOf(const PlannedVersion& planned);

}  // namespace torchferry::plan
