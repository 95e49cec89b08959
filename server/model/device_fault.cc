#include "server/model/device_fault.h"

#include <absl/strings/cord.h>

#include <array>

namespace torchferry::model {
namespace {

constexpr char kPayload[] = "torchferry/device-fault";

constexpr std::array<std::string_view, 5> kNames = {"none", "out_of_memory", "unsupported", "transient", "lost"};

absl::StatusCode CodeOf(DeviceFault fault) {
  switch (fault) {
    case DeviceFault::kOutOfMemory:
      return absl::StatusCode::kResourceExhausted;
    case DeviceFault::kUnsupported:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

std::string_view Name(DeviceFault fault) { return kNames.at(static_cast<size_t>(fault)); }

absl::Status DeviceFaultStatus(DeviceFault fault, std::string_view message) {
  absl::Status status(CodeOf(fault), std::string(message));
  status.SetPayload(kPayload, absl::Cord(std::string(Name(fault))));
  return status;
}

DeviceFault DeviceFaultOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return DeviceFault::kNone;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (*payload == std::string(kNames[i])) return static_cast<DeviceFault>(i);
  }
  return DeviceFault::kNone;
}

bool IsOfDevice(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted || status.code() == absl::StatusCode::kUnavailable ||
         DeviceFaultOf(status) != DeviceFault::kNone;
}

tensor::FallbackReason FallbackReasonOf(const absl::Status& status, tensor::FallbackReason otherwise) {
  if (DeviceFaultOf(status) == DeviceFault::kLost) return tensor::FallbackReason::kDeviceLost;
  return status.code() == absl::StatusCode::kResourceExhausted ? tensor::FallbackReason::kOutOfMemory : otherwise;
}

}  // namespace torchferry::model
