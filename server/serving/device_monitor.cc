#include "server/serving/device_monitor.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

// How often devices on probation are looked at; DeviceHealth says whether one is due.
constexpr base::Duration kTick = std::chrono::milliseconds(100);

constexpr base::Duration kProbeLimit = std::chrono::seconds(10);

// A probe that does not end: the device hangs, or its driver does.
class ProbeOverrun final : public base::Overrun {
 public:
  ProbeOverrun(std::shared_ptr<DeviceHealth> health, const tensor::DeviceId& device)
      : health_(std::move(health)), device_(device) {}
  std::function<void()> GiveUp(base::Duration so_far) override {
    return [health = health_, device = device_, so_far] {
      health->Report(device, model::DeviceFault::kTransient,
                     fmt::format("a probe has run for {:.1f} s and does not end", base::ToSeconds(so_far)));
    };
  }

 private:
  const std::shared_ptr<DeviceHealth> health_;
  const tensor::DeviceId device_;
};

}  // namespace

DeviceMonitor::DeviceMonitor(std::shared_ptr<DeviceHealth> health,
                             std::function<absl::Status(const tensor::DeviceId&)> probe, base::Duration interval,
                             base::StuckWatch* watch)
    : health_(std::move(health)),
      probe_(std::move(probe)),
      interval_(interval),
      pass_(watch == nullptr ? std::make_shared<base::Pass>() : watch->Add()),
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
  ProbeOverrun overrun(health_, device.device);
  pass_->Begin(base::Clock::Real().Now(), kProbeLimit, overrun);
  const absl::Status status = probe_(device.device);
  const bool is_in_time = pass_->End();
  const model::DeviceFault fault = model::DeviceFaultOf(status);
  // A device without memory answers.
  if (status.ok() || fault == model::DeviceFault::kOutOfMemory) {
    // What is late may have been reported just now, or be about to be: the next probe tells.
    if (is_in_time) health_->ReportSound(device.device);
    return;
  }
  health_->Report(device.device, fault, base::MessageOf(status));
  if (device.state == DeviceState::kProbation && fault != model::DeviceFault::kLost)
    health_->CanaryFailed(device.device);
}

}  // namespace torchferry::serving
