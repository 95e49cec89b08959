#include "server/app/gpu_metrics.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

void GpuMetrics::Start(const serving::DeviceHealth& health) {
  const std::vector<serving::DeviceReport> devices = health.List();
  if (std::ranges::none_of(devices, [](const serving::DeviceReport& report) { return report.device.type == "cuda"; }))
    return;
  absl::StatusOr<std::unique_ptr<host::Nvml>> nvml = host::Nvml::Open();
  if (!nvml.ok()) {
    base::LogInfo("no utilization of GPUs", {{"reason", base::MessageOf(nvml.status())}});
    return;
  }
  base::MutexLock lock(mutex_);
  nvml_ = *std::move(nvml);
}

absl::StatusOr<host::GpuReading> GpuMetrics::Read(const tensor::DeviceId& device) {
  base::MutexLock lock(mutex_);
  if (nvml_ == nullptr || device.type != "cuda") return absl::UnavailableError("not known to the management library");
  return nvml_->Read(device.index);
}

void GpuMetrics::Collect(const serving::DeviceHealth& health, metrics::Metrics& metrics) {
  for (const serving::DeviceReport& report : health.List()) {
    if (report.state == serving::DeviceState::kLost) continue;
    const std::string device = tensor::ToString(report.device);
    const absl::StatusOr<host::GpuReading> reading = Read(report.device);
    if (reading.ok()) {
      metrics.SetDeviceUtilization(device, reading->utilization);
      metrics.SetDeviceMemory(device, "used", static_cast<double>(reading->used_bytes));
      metrics.SetDeviceMemory(device, "limit", static_cast<double>(reading->total_bytes));
    } else if (const auto memory = libtorch::TorchRuntime::MemoryOf(report.device)) {
      metrics.SetDeviceMemory(device, "used", static_cast<double>(memory->total - memory->free));
      metrics.SetDeviceMemory(device, "limit", static_cast<double>(memory->total));
    }
  }
}

absl::Status GpuMetrics::Probe(const tensor::DeviceId& device) {
  const absl::StatusOr<host::GpuReading> reading = Read(device);
  if (reading.status().code() == absl::StatusCode::kDataLoss)
    return model::DeviceFaultStatus(model::DeviceFault::kLost, base::MessageOf(reading.status()));
  return libtorch::TorchRuntime::Probe(device);
}

}  // namespace torchferry::app
