// Decides which device a version runs on, and why. Pure: the host's devices are an argument.
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

// The device that was asked for, and the setting that asked.
struct DeviceRequest {
  std::string device;  // "auto", "cpu", "cuda:1", "saved"
  std::string source;  // "torchferry.device", "instance_group" or "--device"
};

// A device of this host, and why it cannot be used.
struct DeviceCandidate {
  tensor::DeviceId device;
  tensor::FallbackReason ruled_out = tensor::FallbackReason::kNone;  // kNone: it can be used
};

struct PlacementPlan {
  tensor::DeviceId device;
  std::string requested;  // DeviceRequest::device
  // The device is not the one that was asked for, nor the first choice of `auto`.
  bool fallback = false;
  std::string fallback_from;  // the device that would have been used: "cuda:1"
  tensor::FallbackReason fallback_reason = tensor::FallbackReason::kNone;  // kAbsent, or why it was ruled out
  std::vector<std::string> decisions;  // a sentence each, for the log, GetModel and `inspect`
};

// Takes torchferry.device, else instance_group, else `default_device` (--device).
DeviceRequest RequestedDevice(const config::ModelConfig& config, std::string_view default_device);

// `available` has this host's devices, best first; the CPU is always among them and never ruled out. `saved_devices`
// are those that the file names, for "saved". `auto` treats a device without room like one that is absent. The result
// of `auto` is a fallback only if no accelerator had room, or if its choice failed.
// With `fallback: NONE`, FAILED_PRECONDITION when the device asked for cannot be used, or RESOURCE_EXHAUSTED when it
// ran out of memory. INVALID_ARGUMENT for a device that cannot be parsed.
absl::StatusOr<PlacementPlan> PlanPlacement(const DeviceRequest& request, const config::ModelConfig& config,
                                            std::span<const DeviceCandidate> available,
                                            std::span<const std::string> saved_devices);

}  // namespace torchferry::plan
