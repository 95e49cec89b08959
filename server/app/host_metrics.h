// The CPU's gauges: this process's time over its quota, its resident set and limit.
#pragma once

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/host/host.h"
#include "server/metrics/metrics.h"

namespace torchferry {

// Thread-safe. Utilization is that of the time since the last Collect.
class HostMetrics {
 public:
  HostMetrics(const HostInfo& host, const Clock& clock);
  void Collect(Metrics& metrics);

 private:
  const HostInfo host_;
  const Clock& clock_;

  Mutex mutex_;
  TimePoint last_time_ TF_GUARDED_BY(mutex_);
  double last_cpu_seconds_ TF_GUARDED_BY(mutex_);
};

}  // namespace torchferry
