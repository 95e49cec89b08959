#include "server/app/return_memory.h"

#include <malloc.h>

#include "server/torch/device/runtime.h"

namespace torchferry::app {

void ReturnMemory(const tensor::DeviceId& device) {
  if (!device.IsCpu()) libtorch::TorchRuntime::ReleaseCachedMemory(device);
  malloc_trim(0);
}

}  // namespace torchferry::app
