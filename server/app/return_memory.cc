#include "server/app/return_memory.h"

#include "server/base/give_back_memory.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

void ReturnMemory(const tensor::DeviceId& device) {
  if (!device.IsCpu()) libtorch::TorchRuntime::ReleaseCachedMemory(device);
  base::GiveBackMemory();
}

}  // namespace torchferry::app
