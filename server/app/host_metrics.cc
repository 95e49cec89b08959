#include "server/app/host_metrics.h"

#include <utility>

namespace torchferry::app {

HostMetrics::HostMetrics(const host::HostInfo& host, const base::Clock& clock)
    : host_(host), clock_(clock), last_time_(clock.Now()), last_cpu_seconds_(host::ReadProcessUsage().cpu_seconds) {}

void HostMetrics::Collect(metrics::Metrics& metrics) {
  const host::ProcessUsage usage = host::ReadProcessUsage();
  base::MutexLock lock(mutex_);
  const base::TimePoint now = clock_.Now();
  const double wall_seconds = base::ToSeconds(now - std::exchange(last_time_, now));
  const double cpu_seconds = usage.cpu_seconds - std::exchange(last_cpu_seconds_, usage.cpu_seconds);
  if (wall_seconds > 0) metrics.SetDeviceUtilization("cpu", cpu_seconds / (wall_seconds * host_.cpu_quota));
  metrics.SetDeviceMemory("cpu", "used", static_cast<double>(usage.resident_bytes));
  metrics.SetDeviceMemory("cpu", "limit", static_cast<double>(host_.memory_limit_bytes));
}

}  // namespace torchferry::app
