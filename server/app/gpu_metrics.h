// The accelerators' gauges, and whether the devices are still there. Reads NVIDIA's management library where there is
// one, else LibTorch.
#pragma once

#include <memory>

#include "server/base/mutex.h"
#include "server/host/nvml.h"
#include "server/metrics/metrics.h"
#include "server/serving/device_health.h"

namespace torchferry::app {

// Thread-safe.
class GpuMetrics {
 public:
  // Opens the management library if one of the devices is an NVIDIA GPU.
  void Start(const serving::DeviceHealth& health);

  // Sets the memory and utilization of the devices that are not lost.
  void Collect(const serving::DeviceHealth& health, metrics::Metrics& metrics);

  // The probe for DeviceMonitor.
  absl::Status Probe(const tensor::DeviceId& device);

 private:
  absl::StatusOr<host::GpuReading> Read(const tensor::DeviceId& device);

  base::Mutex mutex_;
  std::unique_ptr<host::Nvml> nvml_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::app
