// Reads from the index of a version's files the facts on the memory that loading takes.
#pragma once

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// Whether the version's weights are packed again, for the CPU alone. Pure.
bool IsQuantized(const PlannedVersion& planned);

// Collects the facts for EstimateLoadMemory from all that `planned` has read. Pure.
LoadMemoryFacts MemoryFactsOf(const PlannedVersion& planned);

}  // namespace torchferry::plan
