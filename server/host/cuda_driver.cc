// The NVIDIA driver, by its C interface: libcuda.so.1 (CUDA Driver API).
#include <dlfcn.h>
#include <fmt/format.h>

#include "server/host/host.h"

namespace torchferry::host {
namespace {

constexpr int kSuccess = 0;     // CUDA_SUCCESS
constexpr int kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE

// The driver's function of that name, or one that fails.
template <typename Function>
bool Find(void* driver, const char* name, Function& function, CudaDriver& found) {
  function = reinterpret_cast<Function>(dlsym(driver, name));
  if (function == nullptr) found.error = fmt::format("libcuda.so.1 has no {}", name);
  return function != nullptr;
}

}  // namespace

CudaDriver ProbeCudaDriver() {
  CudaDriver found;
  // Never closed: the driver keeps threads of its own.
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return found;
  found.is_there = true;
  int (*get_version)(int*) = nullptr;
  int (*init)(unsigned) = nullptr;
  int (*count_devices)(int*) = nullptr;
  if (!Find(driver, "cuDriverGetVersion", get_version, found) || !Find(driver, "cuInit", init, found) ||
      !Find(driver, "cuDeviceGetCount", count_devices, found)) {
    return found;
  }
  if (get_version(&found.version) != kSuccess) found.version = 0;
  int code = init(0);
  if (code == kSuccess) code = count_devices(&found.device_count);
  if (code != kSuccess) found.device_count = 0;
  if (code != kSuccess && code != kNoDevice) found.error = fmt::format("it answers with CUDA error {}", code);
  return found;
}

}  // namespace torchferry::host
