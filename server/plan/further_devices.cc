#include "server/plan/further_devices.h"

namespace torchferry::plan {
namespace {

// A lost device stays so until the process ends, and a device that computes otherwise goes on doing so.
bool IsPassing(tensor::FallbackReason reason) {
  return reason != tensor::FallbackReason::kDeviceLost && reason != tensor::FallbackReason::kParity;
}

}  // namespace

std::vector<tensor::DeviceId> PreferredDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out) {
  std::vector<tensor::DeviceId> preferred;
  for (const tensor::DeviceId& device : devices) {
    const auto found = ruled_out.find(tensor::ToString(device));
    if (found != ruled_out.end() && IsPassing(found->second)) preferred.push_back(device);
  }
  return preferred;
}

std::vector<tensor::DeviceId> FallbackDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out,
                                              const PlacementPlan& placement, config::FallbackPolicy fallback) {
  if (placement.device.IsCpu()) return {};
  if (placement.requested != "auto") {
    if (fallback == config::FallbackPolicy::kNone) return {};
    return {tensor::DeviceId::Cpu()};
  }
  std::vector<tensor::DeviceId> others;
  for (const tensor::DeviceId& device : devices) {
    if (device != placement.device && !ruled_out.contains(tensor::ToString(device))) others.push_back(device);
  }
  return others;
}

}  // namespace torchferry::plan
