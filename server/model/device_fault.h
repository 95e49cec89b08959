// How a forward pass failed on an accelerator, for the caller that decides whether to retry it, and where.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "server/tensor/fallback_reason.h"

namespace torchferry::model {

enum class DeviceFault {
  kNone,         // the fault is the model's or the request's
  kOutOfMemory,  // the device works; a smaller batch may fit
  kUnsupported,  // the device works and cannot do this; another device may
  kTransient,    // the pass failed; the device may still work
  kLost,         // the device fails until the process ends
};

// "none", "out_of_memory", "unsupported", "transient", "lost".
std::string_view Name(DeviceFault fault);

// RESOURCE_EXHAUSTED for kOutOfMemory, INTERNAL for kUnsupported, else UNAVAILABLE. The status carries `fault`, which
// is not kNone. Annotate keeps it.
absl::Status DeviceFaultStatus(DeviceFault fault, std::string_view message);

// kNone for a status that DeviceFaultStatus did not make.
DeviceFault DeviceFaultOf(const absl::Status& status);

// Whether the device is to blame, and another device may succeed: a device fault, or any RESOURCE_EXHAUSTED or
// UNAVAILABLE.
bool IsOfDevice(const absl::Status& status);

// Why a model is not used on the device that gave `status`: kDeviceLost for kLost, kOutOfMemory for any
// RESOURCE_EXHAUSTED, else `otherwise`.
tensor::FallbackReason FallbackReasonOf(const absl::Status& status, tensor::FallbackReason otherwise);

}  // namespace torchferry::model
