// What an accelerator did to a forward pass, as far as whoever decides what comes next must know it.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "server/tensor/fallback_reason.h"

namespace torchferry::model {

enum class DeviceFault {
  kNone,         // it is the model's own, or the request's
  kOutOfMemory,  // the device is sound; less may fit
  kUnsupported,  // the device is sound and cannot do this; another may
  kTransient,    // it failed; whether it goes on working is to be seen
  kLost,         // it fails from now on, until the process ends
};

// "none", "out_of_memory", "unsupported", "transient", "lost".
std::string_view Name(DeviceFault fault);

// RESOURCE_EXHAUSTED for kOutOfMemory, INTERNAL for kUnsupported, else UNAVAILABLE; it remembers `fault`, which is not
// kNone. Annotate keeps that.
absl::Status DeviceFaultStatus(DeviceFault fault, std::string_view message);

// kNone for a status that DeviceFaultStatus did not make.
DeviceFault DeviceFaultOf(const absl::Status& status);

// Whether the device is to blame and another one may do it: a fault, or any RESOURCE_EXHAUSTED or UNAVAILABLE.
bool IsOfDevice(const absl::Status& status);

// Why a model is not used on the device that gave `status`: kDeviceLost, kOutOfMemory for any RESOURCE_EXHAUSTED, else
// `otherwise`.
tensor::FallbackReason FallbackReasonOf(const absl::Status& status, tensor::FallbackReason otherwise);

}  // namespace torchferry::model
