// A device by type and index: "cpu", "cuda:0", and in tests "sim:1". Only the device providers know which types exist;
// here a type is only a name.
#pragma once

#include <absl/status/statusor.h>

#include <compare>
#include <string>
#include <string_view>

namespace torchferry::tensor {

struct DeviceId {
  std::string type = "cpu";
  int index = 0;  // always 0 for the CPU

  static DeviceId Cpu() { return {}; }
  bool IsCpu() const { return type == "cpu"; }
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
};

// "cpu", "cuda:0".
std::string ToString(const DeviceId& device);

// Takes "cpu", "cuda" (index 0) and "cuda:1"; any lower-case type. INVALID_ARGUMENT naming the text.
absl::StatusOr<DeviceId> ParseDeviceId(std::string_view text);

}  // namespace torchferry::tensor
