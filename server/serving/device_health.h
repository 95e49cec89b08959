// Which devices of the process work. One for all models: what one of them finds out moves the others too.
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
  kProbation,  // it failed once: no requests until a canary has passed
  kLost,       // until the process ends
};

// "up", "probation", "lost".
std::string_view Name(DeviceState state);

struct DeviceReport {
  tensor::DeviceId device;
  DeviceState state = DeviceState::kUp;
  std::string why;  // of probation and loss
};

// Thread-safe. The CPU, and a device that was not added, is always up.
class DeviceHealth {
 public:
  // Called after each change, on the thread that reported it, without a lock held; by two threads at once when both
  // report. Must not report.
  using Listener = std::function<void(const DeviceReport&)>;

  DeviceHealth(metrics::Metrics& metrics, const base::Clock& clock) : metrics_(metrics), clock_(clock) {}

  void Add(const tensor::DeviceId& device);

  DeviceState Get(const tensor::DeviceId& device) const;
  // All but the CPU, in the order in which they were added.
  std::vector<DeviceReport> List() const;

  // What a forward pass, a placement or a probe met. kTransient puts the device on probation, kLost ends it; the others
  // say nothing of it.
  void Report(const tensor::DeviceId& device, model::DeviceFault fault, std::string_view why);
  // A canary passed: the device is up, unless it was lost. The next probation's first canary comes at once again when
  // the device has then been up for a while.
  void ReportSound(const tensor::DeviceId& device);

  // Whether a device on probation may be tried again. Each probation soon after the last waits twice as long, up to a
  // minute.
  bool IsCanaryDue(const tensor::DeviceId& device) const;

  // A canary did not pass: the next one comes after twice the time.
  void CanaryFailed(const tensor::DeviceId& device);

  // Until Unsubscribe, which waits for a call that runs. Not from the listener itself.
  int Subscribe(Listener listener) { return listeners_.Subscribe(std::move(listener)); }
  void Unsubscribe(int subscription) { listeners_.Unsubscribe(subscription); }

 private:
  struct Entry {
    DeviceReport report;
    int order = 0;
    base::Duration wait{};  // of the probation that is, or was last
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
