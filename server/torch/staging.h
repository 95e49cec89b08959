// What is copied between the host and an accelerator.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace torchferry {

// Host memory for what goes to `device` or comes from it, contiguous and not initialised. Page-locked where the device's backend has such memory and there is
// some left: the device then copies by itself, while the host goes on. It is reused after a copy that is under way when the tensor goes.
at::Tensor StagingTensor(at::IntArrayRef sizes, at::ScalarType type, at::Device device);

// A tensor of the host on `device`, in `type`. The copy, and the cast that the device makes of it, may be under way on the current stream.
at::Tensor ToDevice(const at::Tensor& tensor, at::Device device, at::ScalarType type);

// The other way, contiguous: what is in it, is so when the current stream has been waited for. A tensor of the host is given back as it is, if it is
// contiguous.
at::Tensor ToHost(const at::Tensor& tensor);

// Gives page-locked memory that is kept for later back to the host.
void ReleaseStagingMemory(at::Device device);

}  // namespace torchferry
