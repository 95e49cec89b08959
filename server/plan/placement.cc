#include "server/plan/placement.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using tensor::FallbackReason;

// The device that `saved` stands for: the first one in the file, through map_location by its full name ("cuda:0"), then
// by its type ("cuda").
std::string SavedDevice(const config::ModelConfig& config, std::span<const std::string> saved_devices) {
  const std::string saved = saved_devices.empty() ? "cpu" : saved_devices.front();
  if (const auto it = config.map_location.find(saved); it != config.map_location.end()) return it->second;
  const auto by_type = config.map_location.find(saved.substr(0, saved.find(':')));
  return by_type != config.map_location.end() ? by_type->second : saved;
}

std::string Join(std::span<const DeviceCandidate> candidates) {
  std::string text;
  for (const DeviceCandidate& candidate : candidates)
    text += (text.empty() ? "" : ", ") + tensor::ToString(candidate.device);
  return text;
}

// For a sentence: "cuda:1, which is absent".
std::string_view Explain(FallbackReason reason) {
  switch (reason) {
    case FallbackReason::kAbsent:
      return "which is absent";
    case FallbackReason::kNoRoom:
      return "which has no room for the weights";
    case FallbackReason::kOutOfMemory:
      return "which ran out of memory while loading";
    case FallbackReason::kDeviceLost:
      return "which is lost";
    case FallbackReason::kStandBy:
      return "where it runs unless that fails";
    case FallbackReason::kQuantized:
      return "which has no kernels for quantized weights";
    case FallbackReason::kParity:
      return "where golden rows are answered beyond their tolerance";
    case FallbackReason::kNone:
    case FallbackReason::kDeviceError:
    case FallbackReason::kLoadFailed:
      break;
  }
  return "where loading failed";
}

PlacementPlan PlanAuto(const DeviceRequest& request, std::span<const DeviceCandidate> available) {
  PlacementPlan plan;
  plan.requested = request.device;
  const DeviceCandidate* full = nullptr;    // the first without room
  const DeviceCandidate* failed = nullptr;  // the first that was chosen, and failed
  const DeviceCandidate* used = nullptr;
  for (const DeviceCandidate& candidate : available) {
    if (candidate.device.IsCpu()) continue;
    if (candidate.ruled_out == FallbackReason::kNone) {
      used = &candidate;
      break;
    }
    const DeviceCandidate*& kind = candidate.ruled_out == FallbackReason::kNoRoom ? full : failed;
    if (kind == nullptr) kind = &candidate;
  }
  if (used != nullptr) plan.device = used->device;
  const DeviceCandidate* passed = failed != nullptr ? failed : full;
  if (passed == nullptr || (used != nullptr && failed == nullptr)) {
    plan.decisions.push_back(
        fmt::format("device {}: the first {}of this host's ({}), as {} is auto", tensor::ToString(plan.device),
                    passed != nullptr ? "with room for the weights " : "", Join(available), request.source));
    return plan;
  }
  plan.fallback = true;
  plan.fallback_from = tensor::ToString(passed->device);
  plan.fallback_reason = passed->ruled_out;
  plan.decisions.push_back(fmt::format("device {} instead of {}, {}: {} is auto; this host has {}",
                                       tensor::ToString(plan.device), plan.fallback_from, Explain(plan.fallback_reason),
                                       request.source, Join(available)));
  return plan;
}

}  // namespace

DeviceRequest RequestedDevice(const config::ModelConfig& config, std::string_view default_device) {
  if (!config.device.empty()) return {config.device, "torchferry.device"};
  for (const config::InstanceGroup& group : config.instance_groups) {
    if (group.kind == config::InstanceGroup::Kind::kCpu) return {"cpu", "instance_group"};
    if (!group.gpus.empty()) return {fmt::format("cuda:{}", group.gpus.front()), "instance_group"};
    if (group.kind == config::InstanceGroup::Kind::kGpu) return {"cuda:0", "instance_group"};
  }
  return {std::string(default_device), "--device"};
}

absl::StatusOr<PlacementPlan> PlanPlacement(const DeviceRequest& request, const config::ModelConfig& config,
                                            std::span<const DeviceCandidate> available,
                                            std::span<const std::string> saved_devices) {
  if (request.device == "auto") return PlanAuto(request, available);
  PlacementPlan plan;
  plan.requested = request.device;
  const bool is_saved = request.device == "saved";
  const std::string wanted = is_saved ? SavedDevice(config, saved_devices) : request.device;
  FERRY_ASSIGN_OR_RETURN(const tensor::DeviceId device, tensor::ParseDeviceId(wanted));
  const std::string source = is_saved ? fmt::format("{} is saved, which is {} here", request.source, wanted)
                                      : fmt::format("{} is {}", request.source, request.device);
  const auto candidate = std::ranges::find(available, device, &DeviceCandidate::device);
  if (candidate != available.end() && candidate->ruled_out == FallbackReason::kNone) {
    plan.device = device;
    plan.decisions.push_back(fmt::format("device {}: {}", tensor::ToString(device), source));
    return plan;
  }
  const FallbackReason reason = candidate == available.end() ? FallbackReason::kAbsent : candidate->ruled_out;
  if (config.fallback == config::FallbackPolicy::kNone) {
    return base::MakeStatus(
        reason == FallbackReason::kOutOfMemory ? absl::StatusCode::kResourceExhausted
                                               : absl::StatusCode::kFailedPrecondition,
        "device {} is asked for, {}, and the configuration says fallback: NONE ({}); this host has {}. Ask for "
        "another of these, or allow the CPU with torchferry {{ fallback: CPU }}",
        tensor::ToString(device), Explain(reason), source, Join(available));
  }
  plan.device = tensor::DeviceId::Cpu();
  plan.fallback = true;
  plan.fallback_from = tensor::ToString(device);
  plan.fallback_reason = reason;
  plan.decisions.push_back(fmt::format("device cpu instead of {}, {}: {}; this host has {}", tensor::ToString(device),
                                       Explain(reason), source, Join(available)));
  return plan;
}

}  // namespace torchferry::plan
