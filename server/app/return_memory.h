// What a version leaves behind when it has ended.
#pragma once

#include "server/tensor/device_id.h"

namespace torchferry::app {

// Gives back what LibTorch's allocator of `device`, where a version ran, and the C library's have kept of it.
void ReturnMemory(const tensor::DeviceId& device);

}  // namespace torchferry::app
