#include "server/app/host_metrics.h"

#include <utility>

namespace torchferry {

HostMetrics::HostMetrics(const HostInfo& host, const Clock& clock)
    : host_(host), clock_(clock), last_time_(clock.Now()), last_cpu_seconds_(ReadProcessUsage().cpu_seconds) {}

void HostMetrics::Collect(Metrics& metrics) {
  const ProcessUsage usage = ReadProcessUsage();
  MutexLock lock(mutex_);
  const TimePoint now = clock_.Now();
  const double wall_seconds = ToSeconds(now - std::exchange(last_time_, now));
  const double cpu_seconds = usage.cpu_seconds - std::exchange(last_cpu_seconds_, usage.cpu_seconds);
  if (wall_seconds > 0) metrics.SetDeviceUtilization("cpu", cpu_seconds / (wall_seconds * host_.cpu_quota));
  metrics.SetDeviceMemory("cpu", "used", static_cast<double>(usage.resident_bytes));
  metrics.SetDeviceMemory("cpu", "limit", static_cast<double>(host_.memory_limit_bytes));
}

}  // namespace torchferry
