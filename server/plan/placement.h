// Which device a version runs on, and why. Pure: what this host has comes in as an argument.
#pragma once

#include <absl/status/statusor.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/device_id.h"
#include "server/tensor/fallback_reason.h"

namespace torchferry::plan {

// What was asked for, and by whom.
struct DeviceRequest {
  std::string device;  // "auto", "cpu", "cuda:1", "saved"
  std::string source;  // "torchferry.device", "instance_group" or "--device"
};

// A device of this host, and why it is not to be used.
struct DeviceCandidate {
  tensor::DeviceId device;
  tensor::FallbackReason ruled_out = tensor::FallbackReason::kNone;  // kNone: nothing speaks against it
};

struct PlacementPlan {
  tensor::DeviceId device;
  std::string requested;  // DeviceRequest::device
  // The device is not the one asked for, nor the one that `auto` chose first.
  bool fallback = false;
  std::string fallback_from;  // the device that would have been used: "cuda:1"
  tensor::FallbackReason fallback_reason = tensor::FallbackReason::kNone;  // kAbsent, or why it was ruled out
  std::vector<std::string> decisions;  // a sentence each, for the log, GetModel and `inspect`
};

// torchferry.device, then instance_group, then `default_device` (--device).
DeviceRequest RequestedDevice(const config::ModelConfig& config, std::string_view default_device);

// `available`: this host's devices, best first; the CPU is always among them and never ruled out. `saved_devices`: what
// the file says, for "saved". `auto` passes over a device without room as over one that is not there, but when none has
// room, or one that it had chosen failed, it fell back. FAILED_PRECONDITION when the device asked for cannot be used
// and the config says `fallback: NONE`; INVALID_ARGUMENT for a device that cannot be parsed.
absl::StatusOr<PlacementPlan> PlanPlacement(const DeviceRequest& request, const config::ModelConfig& config,
                                            std::span<const DeviceCandidate> available,
                                            std::span<const std::string> saved_devices);

}  // namespace torchferry::plan
