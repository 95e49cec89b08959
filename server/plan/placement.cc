#include "server/plan/placement.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry {
namespace {

// The device that `saved` stands for: the first one in the file, through map_location by its full name ("cuda:0"), then
// by its type ("cuda").
std::string SavedDevice(const ModelConfig& config, std::span<const std::string> saved_devices) {
  const std::string saved = saved_devices.empty() ? "cpu" : saved_devices.front();
  if (const auto it = config.map_location.find(saved); it != config.map_location.end()) return it->second;
  const auto by_type = config.map_location.find(saved.substr(0, saved.find(':')));
  return by_type != config.map_location.end() ? by_type->second : saved;
}

std::string Join(std::span<const DeviceId> devices) {
  std::string text;
  for (const DeviceId& device : devices) text += (text.empty() ? "" : ", ") + ToString(device);
  return text;
}

}  // namespace

DeviceRequest RequestedDevice(const ModelConfig& config, std::string_view default_device) {
  if (!config.device.empty()) return {config.device, "torchferry.device"};
  for (const InstanceGroup& group : config.instance_groups) {
    if (group.kind == InstanceGroup::Kind::kCpu) return {"cpu", "instance_group"};
    if (!group.gpus.empty()) return {fmt::format("cuda:{}", group.gpus.front()), "instance_group"};
    if (group.kind == InstanceGroup::Kind::kGpu) return {"cuda:0", "instance_group"};
  }
  return {std::string(default_device), "--device"};
}

absl::StatusOr<PlacementPlan> PlanPlacement(const DeviceRequest& request, const ModelConfig& config,
                                            std::span<const DeviceId> available,
                                            std::span<const std::string> saved_devices) {
  PlacementPlan plan;
  plan.requested = request.device;
  if (request.device == "auto") {
    const auto accelerator =
        std::find_if(available.begin(), available.end(), [](const DeviceId& d) { return !d.IsCpu(); });
    if (accelerator != available.end()) plan.device = *accelerator;
    plan.decisions.push_back(fmt::format("device {}: the first of this host's ({}), as {} is auto",
                                         ToString(plan.device), Join(available), request.source));
    return plan;
  }
  const bool is_saved = request.device == "saved";
  const std::string wanted = is_saved ? SavedDevice(config, saved_devices) : request.device;
  TF_ASSIGN_OR_RETURN(const DeviceId device, ParseDeviceId(wanted));
  const std::string source =
      is_saved ? fmt::format("{} is saved, which is {} here", request.source, wanted)
               : fmt::format("{} is {}", request.source, request.device);
  if (std::find(available.begin(), available.end(), device) != available.end()) {
    plan.device = device;
    plan.decisions.push_back(fmt::format("device {}: {}", ToString(device), source));
    return plan;
  }
  if (config.fallback == FallbackPolicy::kNone) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "device {} is absent and the configuration says fallback: NONE ({}); this host has {}. Ask for one "
                      "of these, or allow the CPU with torchferry {{ fallback: CPU }}",
                      ToString(device), source, Join(available));
  }
  plan.device = DeviceId::Cpu();
  plan.fallback = true;
  plan.fallback_reason = "absent";
  plan.decisions.push_back(fmt::format("device cpu instead of {}, which is absent: {}; this host has {}",
                                       ToString(device), source, Join(available)));
  return plan;
}

}  // namespace torchferry
