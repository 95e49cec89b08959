// The CPU's gauges: this process's time over its quota, its resident set and limit.
#pragma once

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/host/host.h"
#include "server/metrics/metrics.h"

namespace torchferry::app {

// Thread-safe. Utilization is that of the time since the last Collect.
class HostMetrics {
 public:
  HostMetrics(const host::HostInfo& host, const base::Clock& clock);
  void Collect(metrics::Metrics& metrics);

 private:
  const host::HostInfo host_;
  const base::Clock& clock_;

  base::Mutex mutex_;
  base::TimePoint last_time_ FERRY_GUARDED_BY(mutex_);
  double last_cpu_seconds_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::app
