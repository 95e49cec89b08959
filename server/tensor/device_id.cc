#include "server/tensor/device_id.h"

#include <algorithm>
#include <charconv>

#include "server/base/status.h"

namespace torchferry::tensor {

std::string ToString(const DeviceId& device) {
  return device.IsCpu() ? device.type : fmt::format("{}:{}", device.type, device.index);
}

absl::StatusOr<DeviceId> ParseDeviceId(std::string_view text) {
  const auto invalid = [&](std::string_view why) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "device \"{}\" {}; expected \"cpu\", \"cuda\" or \"cuda:N\"", text, why);
  };
  const size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  if (type.empty() || !std::all_of(type.begin(), type.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    return invalid("is not a device");
  }
  DeviceId device{std::string(type), 0};
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), device.index);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || device.index < 0 ||
        device.index > 127) {
      return invalid("has no valid index");
    }
    if (device.IsCpu() && device.index != 0) return invalid("has an index that a CPU does not have");
  }
  return device;
}

}  // namespace torchferry::tensor
