// Chooses the next placement of a version when golden rows refuse one. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <vector>

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// Placements that are not tried again.
struct Refusals {
  RuledOut devices;
  std::set<std::string> in_full;       // devices that computed with fewer bits than FP32 and were refused
  std::vector<std::string> sentences;  // a refusal by golden rows each, with the difference
};

// Whether the version could compute in FP32 where `plan` computes in another type. False with `precision: KEEP`.
bool HasFullPrecision(const PlannedVersion& planned, const config::ModelConfig& config, const PlanContext& context,
                      const LoadPlan& plan);

// Golden rows refuse the plan `refused`; `why` is the reason. Gives a plan for the same device in FP32, else for the
// next device. Adds the refusal to `refusals`, and the sentences of `refusals` to the plan's decisions.
// FAILED_PRECONDITION where no placement is left, or with `fallback: NONE`. The message has all refusals, and the way
// out.
absl::StatusOr<LoadPlan> PlanAfterParity(const PlannedVersion& planned, const config::ModelConfig& config,
                                         const PlanContext& context, const LoadPlan& refused, const std::string& why,
                                         Refusals& refusals);

}  // namespace torchferry::plan
