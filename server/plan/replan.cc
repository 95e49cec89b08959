// The part of the plan that may be decided anew: where the version runs, and in which types.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/load_plan.h"
#include "server/plan/memory_facts.h"

namespace torchferry::plan {
namespace {

// A type that no provider has is a mistake, not an absent device.
absl::Status CheckType(const DeviceRequest& request, const std::vector<std::string>& types) {
  const auto device = tensor::ParseDeviceId(request.device);
  if (request.device == "auto" || request.device == "saved" || !device.ok() ||
      std::ranges::find(types, device->type) != types.end()) {
    return absl::OkStatus();
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{} is \"{}\", a type of device that this server does not have; name one that it knows: {}",
                          request.source, request.device, fmt::join(types, ", "));
}

// Only for `auto`: a device that was asked for is tried, as nobody knows what its allocator has kept back.
bool HasRoom(const tensor::DeviceId& device, const DeviceRequest& request, uint64_t weight_bytes,
             const PlanContext& context) {
  if (device.IsCpu() || request.device != "auto" || !context.free_bytes) return true;
  const std::optional<uint64_t> free = context.free_bytes(device);
  return !free.has_value() || *free >= weight_bytes;
}

std::vector<DeviceCandidate> DeviceCandidates(const DeviceRequest& request, const PlannedVersion& planned,
                                              const PlanContext& context, const RuledOut& ruled_out) {
  std::vector<DeviceCandidate> candidates;
  const bool is_quantized = IsQuantized(planned);
  for (const tensor::DeviceId& device : context.devices) {
    DeviceCandidate candidate{device};
    if (is_quantized && !device.IsCpu()) {
      candidate.ruled_out = tensor::FallbackReason::kQuantized;
    } else if (const auto here = context.ruled_out.find(tensor::ToString(device)); here != context.ruled_out.end()) {
      candidate.ruled_out = here->second;
    } else if (const auto it = ruled_out.find(tensor::ToString(device)); it != ruled_out.end()) {
      candidate.ruled_out = it->second;
    } else if (!HasRoom(device, request, planned.plan.weight_bytes, context)) {
      candidate.ruled_out = tensor::FallbackReason::kNoRoom;
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

// A fallback from what the plan says until then.
void ComputeInFull(const PlannedVersion& planned, const PlanContext& context, LoadPlan& plan) {
  const std::string device = tensor::ToString(plan.placement.device);
  const std::string refused = plan.precision.computes_in;
  plan.precision =
      PlanPrecision(config::Precision::kFp32, planned.weight_dtypes, plan.placement.device, context.has_native_bf16);
  plan.precision.decision = fmt::format("precision {}: golden rows are answered beyond their tolerance in {}",
                                        plan.precision.computes_in, refused);
  if (plan.placement.fallback) return;
  plan.placement.fallback = true;
  plan.placement.fallback_from = fmt::format("{} in {}", device, refused);
  plan.placement.fallback_reason = tensor::FallbackReason::kParity;
}

}  // namespace

absl::StatusOr<LoadPlan> Replan(const PlannedVersion& planned, const config::ModelConfig& config,
                                const PlanContext& context, const RuledOut& ruled_out,
                                const std::set<std::string>& in_full) {
  LoadPlan plan = planned.plan;
  plan.decisions.resize(planned.file_decisions);
  const DeviceRequest request = RequestedDevice(config, context.default_device);
  FERRY_RETURN_IF_ERROR(CheckType(request, context.device_types));
  const std::vector<DeviceCandidate> candidates = DeviceCandidates(request, planned, context, ruled_out);
  FERRY_ASSIGN_OR_RETURN(plan.placement, PlanPlacement(request, config, candidates, plan.saved_devices));
  const tensor::DeviceId& device = plan.placement.device;
  plan.decisions.insert(plan.decisions.end(), plan.placement.decisions.begin(), plan.placement.decisions.end());
  if (plan.saved_devices.size() > 1) {
    plan.decisions.push_back(fmt::format("tensors saved on {} are gathered on {}",
                                         checkpoint::Listed(plan.saved_devices), tensor::ToString(device)));
  }
  plan.precision = PlanPrecision(config.precision, planned.weight_dtypes, device, context.has_native_bf16);
  if (in_full.contains(tensor::ToString(device))) ComputeInFull(planned, context, plan);
  if (!plan.precision.decision.empty()) plan.decisions.push_back(plan.precision.decision);
  const PrecisionPlan on_cpu =
      PlanPrecision(config.precision, planned.weight_dtypes, tensor::DeviceId::Cpu(), context.has_native_bf16);
  plan.memory = EstimateLoadMemory(planned.memory_facts, device, plan.precision, on_cpu, config);
  return plan;
}

}  // namespace torchferry::plan
