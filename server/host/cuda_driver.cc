// The NVIDIA driver, by its C interface: cuInit and cuDeviceGetCount of libcuda.so.1 (CUDA Driver API).
#include <dlfcn.h>

#include "server/host/host.h"

namespace torchferry {

int CountCudaDevices() {
  constexpr int kSuccess = 0;  // CUDA_SUCCESS
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count_devices = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  int count = 0;
  const bool is_there = init != nullptr && count_devices != nullptr && init(0) == kSuccess &&
                        count_devices(&count) == kSuccess;
  // Never closed: the driver keeps threads of its own.
  return is_there ? count : 0;
}

}  // namespace torchferry
