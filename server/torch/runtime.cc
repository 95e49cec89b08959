#include "server/torch/runtime.h"

#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/torch/convert.h"

namespace torchferry {
namespace {

class CudaProvider final : public DeviceProvider {
 public:
  std::string_view type() const override { return "cuda"; }

  absl::StatusOr<int> Start() override {
    // The driver's library comes with the driver; without it the rest is of no use.
    if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) == nullptr) return 0;
    // Global: LibTorch's CPU library looks its CUDA counterpart's symbols up.
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      return MakeStatus(absl::StatusCode::kUnavailable,
                        "an NVIDIA driver is here but LibTorch's CUDA part cannot be opened: {}. Models run on the CPU; "
                        "deploy/install-deps.sh --cuda installs what is missing",
                        dlerror());
    }
    if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) return 0;
    return c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
  }
};

}  // namespace

std::unique_ptr<DeviceProvider> MakeCudaProvider() { return std::make_unique<CudaProvider>(); }

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

std::optional<uint64_t> TorchRuntime::FreeBytes(const DeviceId& device) {
  try {
    const at::Device torch_device = ToTorch(device);
    return c10::getDeviceAllocator(torch_device.type())->getMemoryInfo(torch_device.index()).first;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void TorchRuntime::ReleaseCachedMemory(const DeviceId& device) {
  try {
    c10::getDeviceAllocator(ToTorch(device).type())->emptyCache();
  } catch (const std::exception& error) {
    LogWarning("cached memory not released", {{"device", ToString(device)}, {"reason", CleanMessage(error.what())}});
  }
}

void TorchRuntime::SetIntraOpThreads(int threads) {
  // The first call initialises the thread's own setting; without it the next operator would take whatever value any
  // other thread set last.
  at::get_num_threads();
  at::set_num_threads(threads);
}

}  // namespace torchferry
