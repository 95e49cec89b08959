// The CPU's gauges: this process's processor time over its quota, its resident set and its memory limit.
#pragma once

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/host/host.h"
#include "server/metrics/metrics.h"

namespace torchferry::app {

// Thread-safe. Utilization is an average since the last Collect.
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
