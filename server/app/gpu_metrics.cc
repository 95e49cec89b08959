#include "server/app/gpu_metrics.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/runtime.h"

namespace torchferry {

void GpuMetrics::Start(const DeviceHealth& health) {
  const std::vector<DeviceReport> devices = health.List();
  if (std::ranges::none_of(devices, [](const DeviceReport& report) { return report.device.type == "cuda"; })) return;
  absl::StatusOr<std::unique_ptr<Nvml>> nvml = Nvml::Open();
  if (!nvml.ok()) {
    LogInfo("no utilization of GPUs", {{"reason", MessageOf(nvml.status())}});
    return;
  }
  MutexLock lock(mutex_);
  nvml_ = *std::move(nvml);
}

absl::StatusOr<GpuReading> GpuMetrics::Read(const DeviceId& device) {
  MutexLock lock(mutex_);
  if (nvml_ == nullptr || device.type != "cuda") return absl::UnavailableError("not known to the management library");
  return nvml_->Read(device.index);
}

void GpuMetrics::Collect(const DeviceHealth& health, Metrics& metrics) {
  for (const DeviceReport& report : health.List()) {
    if (report.state == DeviceState::kLost) continue;
    const std::string device = ToString(report.device);
    const absl::StatusOr<GpuReading> reading = Read(report.device);
    if (reading.ok()) {
      metrics.SetDeviceUtilization(device, reading->utilization);
      metrics.SetDeviceMemory(device, "used", static_cast<double>(reading->used_bytes));
      metrics.SetDeviceMemory(device, "limit", static_cast<double>(reading->total_bytes));
    } else if (const auto memory = TorchRuntime::MemoryOf(report.device)) {
      metrics.SetDeviceMemory(device, "used", static_cast<double>(memory->total - memory->free));
      metrics.SetDeviceMemory(device, "limit", static_cast<double>(memory->total));
    }
  }
}

absl::Status GpuMetrics::Probe(const DeviceId& device) {
  const absl::StatusOr<GpuReading> reading = Read(device);
  if (reading.status().code() == absl::StatusCode::kDataLoss)
    return DeviceFaultStatus(DeviceFault::kLost, MessageOf(reading.status()));
  return TorchRuntime::Probe(device);
}

}  // namespace torchferry
