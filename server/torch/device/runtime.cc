#include "server/torch/device/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/InferenceMode.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/model_messages.h"
#include "server/torch/device/staging.h"

namespace torchferry::libtorch {
std::unique_ptr<TorchRuntime> TorchRuntime::Start(std::vector<std::unique_ptr<DeviceProvider>> providers) {
  auto runtime = std::make_unique<TorchRuntime>();
  for (const auto& provider : providers) {
    runtime->device_types_.emplace_back(provider->type());
    const absl::StatusOr<int> count = provider->Start();
    if (!count.ok()) {
      base::LogWarning("device type not used",
                       {{"type", provider->type()}, {"reason", base::MessageOf(count.status())}});
      continue;
    }
    for (int index = 0; index < *count; ++index) {
      runtime->devices_.push_back({std::string(provider->type()), index});
    }
  }
  // After the providers: no function of LibTorch is called before them.
  TakePrints();
  at::globalContext().setCheckSparseTensorInvariants(true);  // kernels trust the indices of a sparse tensor
  runtime->devices_.push_back(tensor::DeviceId::Cpu());
  runtime->device_types_.emplace_back("cpu");
  return runtime;
}

std::string TorchRuntime::LibTorchVersion() { return TORCH_VERSION; }

std::optional<TorchRuntime::Memory> TorchRuntime::MemoryOf(const tensor::DeviceId& device) {
  try {
    const at::Device torch_device = ToTorch(device);
    const auto [free, total] = c10::getDeviceAllocator(torch_device.type())->getMemoryInfo(torch_device.index());
    return Memory{total, free};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<uint64_t> TorchRuntime::FreeBytes(const tensor::DeviceId& device) {
  const std::optional<Memory> memory = MemoryOf(device);
  return memory.has_value() ? std::optional(memory->free) : std::nullopt;
}

absl::Status TorchRuntime::Probe(const tensor::DeviceId& device) {
  try {
    const c10::InferenceMode no_gradients;
    const at::Tensor here = at::full({16}, 2.0F);
    const at::Tensor back = here.to(ToTorch(device)).add(1).to(at::kCPU);
    if (at::equal(back, here.add(1))) return absl::OkStatus();
    return model::DeviceFaultStatus(model::DeviceFault::kTransient,
                                    fmt::format("{} computes 2 + 1 wrongly", tensor::ToString(device)));
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInternal);
  }
}

void TorchRuntime::ReleaseCachedMemory(const tensor::DeviceId& device) {
  if (device.IsCpu()) return;
  try {
    c10::getDeviceAllocator(ToTorch(device).type())->emptyCache();
    ReleaseStagingMemory(ToTorch(device));
  } catch (const std::exception& error) {
    base::LogWarning("cached memory not released",
                     {{"device", tensor::ToString(device)}, {"reason", CleanMessage(error.what())}});
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

void TorchRuntime::ReleaseIntraOpThreads() {
  // By name: LibTorch brings a libgomp of its own, and another OpenMP may not have it.
  using Pause = int(int kind);
  constexpr int kSoft = 1;  // omp_pause_soft: what is set stays
  static auto* const pause = reinterpret_cast<Pause*>(dlsym(RTLD_DEFAULT, "omp_pause_resource_all"));
  if (pause != nullptr) pause(kSoft);
}

}  // namespace torchferry::libtorch
