#include "server/app/device_reports.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchferry::app {

std::string DegradedDevices(const std::vector<serving::DeviceReport>& devices) {
  std::string lines;
  for (const serving::DeviceReport& report : devices) {
    if (report.state == serving::DeviceState::kUp) continue;
    lines += fmt::format("degraded: {} is {}: {}\n", tensor::ToString(report.device),
                         report.state == serving::DeviceState::kLost ? "lost" : "on probation",
                         report.why.substr(0, report.why.find('\n')));
  }
  return lines;
}

plan::RuledOut LostDevices(const std::vector<serving::DeviceReport>& devices) {
  plan::RuledOut lost;
  for (const serving::DeviceReport& report : devices) {
    if (report.state != serving::DeviceState::kLost) continue;
    lost[tensor::ToString(report.device)] = tensor::FallbackReason::kDeviceLost;
  }
  return lost;
}

bool IsAnyLost(const std::vector<serving::DeviceReport>& devices) {
  return std::ranges::any_of(
      devices, [](const serving::DeviceReport& report) { return report.state == serving::DeviceState::kLost; });
}

}  // namespace torchferry::app
