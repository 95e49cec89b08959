// The accelerators' gauges, and whether they are still there: by the management library where there is one, and by
// LibTorch.
#pragma once

#include <memory>

#include "server/base/mutex.h"
#include "server/host/nvml.h"
#include "server/metrics/metrics.h"
#include "server/serving/device_health.h"

namespace torchferry {

// Thread-safe.
class GpuMetrics {
 public:
  // Opens the management library if one of the devices is a GPU of NVIDIA's.
  void Start(const DeviceHealth& health);

  // Memory and utilization of the devices that are not lost.
  void Collect(const DeviceHealth& health, Metrics& metrics);

  // For DeviceMonitor.
  absl::Status Probe(const DeviceId& device);

 private:
  absl::StatusOr<GpuReading> Read(const DeviceId& device);

  Mutex mutex_;
  std::unique_ptr<Nvml> nvml_ TF_GUARDED_BY(mutex_);
};

}  // namespace torchferry
