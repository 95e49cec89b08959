// The state of the process's devices. All models share it, so a fault that one model finds moves the others too.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/subscribers.h"
#include "server/metrics/metrics.h"
#include "server/model/device_fault.h"
#include "server/tensor/device_id.h"

namespace torchferry::serving {

enum class DeviceState {
  kUp,
  kProbation,  // it failed once: no requests run there until a canary has passed
  kLost,       // until the process ends
};

// "up", "probation", "lost".
std::string_view Name(DeviceState state);

struct DeviceReport {
  tensor::DeviceId device;
  DeviceState state = DeviceState::kUp;
  std::string why;  // why it is on probation or lost
};

// Thread-safe. The CPU, and a device that was not added, are always up.
class DeviceHealth {
 public:
  // Called after each change, on the thread that reported it, without a lock held. Two threads may call it at once when
  // both report. It must not report.
  using Listener = std::function<void(const DeviceReport&)>;

  DeviceHealth(metrics::Metrics& metrics, const base::Clock& clock) : metrics_(metrics), clock_(clock) {}

  void Add(const tensor::DeviceId& device);

  DeviceState Get(const tensor::DeviceId& device) const;
  // All devices but the CPU, in the order in which they were added.
  std::vector<DeviceReport> List() const;

  // Reports the fault of a forward pass, a placement or a probe. kTransient puts the device on probation, kLost makes
  // it lost. Other faults do not count against the device.
  void Report(const tensor::DeviceId& device, model::DeviceFault fault, std::string_view why);
  // A canary passed: the device is up, unless it was lost. If it is then up for a minute, its next probation begins
  // with the shortest wait again.
  void ReportSound(const tensor::DeviceId& device);

  // Whether a device on probation may be tried again. The first wait is 250 ms. A probation soon after the last one
  // waits twice as long, up to a minute.
  bool IsCanaryDue(const tensor::DeviceId& device) const;

  // A canary did not pass: the next wait is twice as long, up to a minute.
  void CanaryFailed(const tensor::DeviceId& device);

  // `listener` is called until Unsubscribe, which waits for a running call. The listener must not call Unsubscribe.
  int Subscribe(Listener listener) { return listeners_.Subscribe(std::move(listener)); }
  void Unsubscribe(int subscription) { listeners_.Unsubscribe(subscription); }

 private:
  struct Entry {
    DeviceReport report;
    int order = 0;
    base::Duration wait{};  // of the present probation, or of the last one
    base::TimePoint canary_at{};
    base::TimePoint up_since{};
  };

  metrics::Metrics& metrics_;
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  std::map<tensor::DeviceId, Entry> devices_ FERRY_GUARDED_BY(mutex_);

  base::Subscribers<DeviceReport> listeners_;
};

}  // namespace torchferry::serving
