// Probes the devices while no request uses them. It finds an idle device that was lost, and tries a device on probation
// again.
#pragma once

#include <functional>
#include <memory>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/stuck_watch.h"
#include "server/serving/device_health.h"

namespace torchferry::serving {

// Its thread runs from construction to destruction. Destruction waits for a running probe.
class DeviceMonitor {
 public:
  // `probe` does a small piece of work on the device; OK, or the fault. It is called on the monitor's thread. A device
  // that is up is probed every `interval`, one on probation when DeviceHealth says so. `watch` sees a probe that runs
  // for 10 s: the device is on probation then. No other device is probed until that probe ends.
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
  base::TimePoint next_of_all_;  // used only by the thread
  base::LoopThread loop_{"device-monitor", [this] { return Look(); }};
};

}  // namespace torchferry::serving
