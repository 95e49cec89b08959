#include "server/torch/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/InferenceMode.h>
#include <torch/headeronly/version.h>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/convert.h"
#include "server/torch/staging.h"

namespace torchferry {
std::unique_ptr<TorchRuntime> TorchRuntime::Start(std::vector<std::unique_ptr<DeviceProvider>> providers) {
  auto runtime = std::make_unique<TorchRuntime>();
  for (const auto& provider : providers) {
    runtime->device_types_.emplace_back(provider->type());
    const absl::StatusOr<int> count = provider->Start();
    if (!count.ok()) {
      LogWarning("device type not used", {{"type", provider->type()}, {"reason", MessageOf(count.status())}});
      continue;
    }
    for (int index = 0; index < *count; ++index) {
      runtime->devices_.push_back({std::string(provider->type()), index});
    }
  }
  runtime->devices_.push_back(DeviceId::Cpu());
  runtime->device_types_.emplace_back("cpu");
  return runtime;
}

std::string TorchRuntime::LibTorchVersion() { return TORCH_VERSION; }

std::optional<TorchRuntime::Memory> TorchRuntime::MemoryOf(const DeviceId& device) {
  try {
    const at::Device torch_device = ToTorch(device);
    const auto [free, total] = c10::getDeviceAllocator(torch_device.type())->getMemoryInfo(torch_device.index());
    return Memory{total, free};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<uint64_t> TorchRuntime::FreeBytes(const DeviceId& device) {
  const std::optional<Memory> memory = MemoryOf(device);
  return memory.has_value() ? std::optional(memory->free) : std::nullopt;
}

absl::Status TorchRuntime::Probe(const DeviceId& device) {
  try {
    const c10::InferenceMode no_gradients;
    const at::Tensor here = at::full({16}, 2.0F);
    const at::Tensor back = here.to(ToTorch(device)).add(1).to(at::kCPU);
    if (at::equal(back, here.add(1))) return absl::OkStatus();
    return DeviceFaultStatus(DeviceFault::kTransient, fmt::format("{} computes 2 + 1 wrongly", ToString(device)));
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInternal);
  }
}

void TorchRuntime::ReleaseCachedMemory(const DeviceId& device) {
  if (device.IsCpu()) return;
  try {
    c10::getDeviceAllocator(ToTorch(device).type())->emptyCache();
    ReleaseStagingMemory(ToTorch(device));
  } catch (const std::exception& error) {
    LogWarning("cached memory not released", {{"device", ToString(device)}, {"reason", CleanMessage(error.what())}});
  }
}

void TorchRuntime::UseDeterministicAlgorithms() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
}

void TorchRuntime::SetIntraOpThreads(int threads) {
  // The first call initialises the thread's own setting; without it the next operator would take whatever value any
  // other thread set last.
  at::get_num_threads();
  at::set_num_threads(threads);
}

}  // namespace torchferry
