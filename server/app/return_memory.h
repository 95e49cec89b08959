// Memory that is still held after a version has ended.
#pragma once

#include "server/tensor/device_id.h"

namespace torchferry::app {

// Frees the unused memory that LibTorch's allocator for `device`, where a version ran, and the C library's hold.
void ReturnMemory(const tensor::DeviceId& device);

}  // namespace torchferry::app
