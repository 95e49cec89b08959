// Which device a version runs on, and why. Pure: what this host has comes in as an argument.
#pragma once

#include <absl/status/statusor.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/device_id.h"

namespace torchferry {

// What was asked for, and by whom.
struct DeviceRequest {
  std::string device;  // "auto", "cpu", "cuda:1", "saved"
  std::string source;  // "torchferry.device", "instance_group" or "--device"
};

struct PlacementPlan {
  DeviceId device;
  std::string requested;  // DeviceRequest::device
  // The device is not the one asked for, nor one that `auto` chose.
  bool fallback = false;
  std::string fallback_reason;         // "absent"
  std::vector<std::string> decisions;  // a sentence each, for the log, GetModel and `inspect`
};

// torchferry.device, then instance_group, then `default_device` (--device).
DeviceRequest RequestedDevice(const ModelConfig& config, std::string_view default_device);

// `available`: this host's healthy devices, best first; the CPU is always among them. `saved_devices`: what the file says,
// for "saved". FAILED_PRECONDITION when the device is absent and the config says `fallback: NONE`; INVALID_ARGUMENT for
// a device that cannot be parsed.
absl::StatusOr<PlacementPlan> PlanPlacement(const DeviceRequest& request, const ModelConfig& config,
                                            std::span<const DeviceId> available,
                                            std::span<const std::string> saved_devices);

}  // namespace torchferry
