#include "server/serving/device_monitor.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

// How often devices on probation are looked at; DeviceHealth says whether one is due.
constexpr base::Duration kTick = std::chrono::milliseconds(100);

}  // namespace

DeviceMonitor::DeviceMonitor(std::shared_ptr<DeviceHealth> health,
                             std::function<absl::Status(const tensor::DeviceId&)> probe, base::Duration interval)
    : health_(std::move(health)),
      probe_(std::move(probe)),
      interval_(interval),
      next_of_all_(base::Clock::Real().Now() + interval) {
  loop_.Start(base::Clock::Real().Now() + std::min(kTick, interval_));
}

base::TimePoint DeviceMonitor::Look() {
  const bool at_all = base::Clock::Real().Now() >= next_of_all_;
  if (at_all) next_of_all_ = base::Clock::Real().Now() + interval_;
  LookAt(at_all);
  return base::Clock::Real().Now() + std::min(kTick, interval_);
}

void DeviceMonitor::LookAt(bool at_all) {
  for (const DeviceReport& device : health_->List()) {
    const bool is_due = device.state == DeviceState::kUp ? at_all : health_->IsCanaryDue(device.device);
    if (is_due) Probe(device);
  }
}

void DeviceMonitor::Probe(const DeviceReport& device) {
  const absl::Status status = probe_(device.device);
  const model::DeviceFault fault = model::DeviceFaultOf(status);
  // A device without memory answers.
  if (status.ok() || fault == model::DeviceFault::kOutOfMemory) return health_->ReportSound(device.device);
  health_->Report(device.device, fault, base::MessageOf(status));
  if (device.state == DeviceState::kProbation && fault != model::DeviceFault::kLost)
    health_->CanaryFailed(device.device);
}

}  // namespace torchferry::serving
