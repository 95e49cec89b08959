// Where a version is tried next when golden rows refuse a placement of it. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <vector>

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// What is not tried any more.
struct Refusals {
  RuledOut devices;
  std::set<std::string> in_full;       // devices where golden rows refuse fewer bits than FP32
  std::vector<std::string> sentences;  // what golden rows refused, and by how much
};

// Whether there is FP32 to go to from what `plan` computes in: not with `precision: KEEP`.
bool HasFullPrecision(const PlannedVersion& planned, const config::ModelConfig& config, const PlanContext& context,
                      const LoadPlan& plan);

// Golden rows refuse `refused`, for the reason `why`: the same device in FP32, else the next device. Adds that to
// `refusals`, whose sentences are among the plan's decisions. FAILED_PRECONDITION where none is left, or with
// `fallback: NONE`; the message has all that was refused, and the way out.
absl::StatusOr<LoadPlan> PlanAfterParity(const PlannedVersion& planned, const config::ModelConfig& config,
                                         const PlanContext& context, const LoadPlan& refused, const std::string& why,
                                         Refusals& refusals);

}  // namespace torchferry::plan
