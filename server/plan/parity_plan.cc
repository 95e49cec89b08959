#include "server/plan/parity_plan.h"

#include <fmt/ranges.h>

#include "server/base/status.h"
#include "server/plan/precision.h"

namespace torchferry::plan {
namespace {

absl::Status NoneLeft(const Refusals& refusals, bool is_none_allowed) {
  return base::MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "golden rows of the passport refuse it {}: {}. Save the model again, give its golden rows a wider tolerance, "
      "{}or "
      "serve it as it is with torchferry {{ parity: WARN }}",
      is_none_allowed ? "where it is to run, and the configuration says fallback: NONE" : "wherever it may run",
      fmt::join(refusals.sentences, "; "), is_none_allowed ? "allow another placement with fallback: CPU, " : "");
}

}  // namespace

bool HasFullPrecision(const PlannedVersion& planned, const config::ModelConfig& config, const PlanContext& context,
                      const LoadPlan& plan) {
  if (config.precision == config::Precision::kKeep) return false;
  const PrecisionPlan full =
      PlanPrecision(config::Precision::kFp32, planned.weight_dtypes, plan.placement.device, context.has_native_bf16);
  return full.computes_in != plan.precision.computes_in;
}

absl::StatusOr<LoadPlan> PlanAfterParity(const PlannedVersion& planned, const config::ModelConfig& config,
                                         const PlanContext& context, const LoadPlan& refused, const std::string& why,
                                         Refusals& refusals) {
  const std::string device = tensor::ToString(refused.placement.device);
  refusals.sentences.push_back(fmt::format("not on {} in {}: {}", device, refused.precision.computes_in, why));
  if (config.fallback == config::FallbackPolicy::kNone) return NoneLeft(refusals, /*is_none_allowed=*/true);
  if (!refusals.in_full.contains(device) && HasFullPrecision(planned, config, context, refused)) {
    refusals.in_full.insert(device);
  } else if (refused.placement.device.IsCpu()) {
    return NoneLeft(refusals, /*is_none_allowed=*/false);
  } else {
    refusals.devices[device] = tensor::FallbackReason::kParity;
  }
  FERRY_ASSIGN_OR_RETURN(LoadPlan next, Replan(planned, config, context, refusals.devices, refusals.in_full));
  next.decisions.insert(next.decisions.end(), refusals.sentences.begin(), refusals.sentences.end());
  return next;
}

}  // namespace torchferry::plan
