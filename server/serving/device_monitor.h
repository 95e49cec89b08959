// Looks after the devices while no request does: finds one that was lost while it was idle, and tries one on probation
// again.
#pragma once

#include <functional>
#include <memory>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/stuck_watch.h"
#include "server/serving/device_health.h"

namespace torchferry::serving {

// Its thread runs from construction to destruction, which waits for a probe that runs.
class DeviceMonitor {
 public:
  // `probe`: a small piece of work on the device; OK, or what came of it. Called on the monitor's thread, every
  // `interval` for a device that is up, and when DeviceHealth says so for one on probation. While a probe does not end,
  // which `watch` sees after 10 s, the device is on probation; no other is tried meanwhile.
  DeviceMonitor(std::shared_ptr<DeviceHealth> health, std::function<absl::Status(const tensor::DeviceId&)> probe,
                base::Duration interval, base::StuckWatch* watch = nullptr);
  DeviceMonitor(const DeviceMonitor&) = delete;
  DeviceMonitor& operator=(const DeviceMonitor&) = delete;

 private:
  // Returns when the next look is due.
  base::TimePoint Look();
  void LookAt(bool at_all);
  void Probe(const DeviceReport& device);

  const std::shared_ptr<DeviceHealth> health_;
  const std::function<absl::Status(const tensor::DeviceId&)> probe_;
  const base::Duration interval_;
  const std::shared_ptr<base::Pass> pass_;
  base::TimePoint next_of_all_;  // of the thread alone
  base::LoopThread loop_{"device-monitor", [this] { return Look(); }};
};

}  // namespace torchferry::serving
