// What is copied between the host and an accelerator.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "server/torch/device/device_stream.h"

namespace torchferry::libtorch {

// Host memory for what goes to the stream's device or comes from it, contiguous and not initialised. Page-locked where
// the device's backend has such memory, up to a limit (staging.cc): the device then copies by itself, while the host
// goes on. It is reused when neither the stream nor anybody else needs it.
at::Tensor StagingTensor(at::IntArrayRef sizes, at::ScalarType type, StreamLease& stream);

// A tensor of the host on `device`, in `type`. The copy, and the cast that the device makes of it, may be in flight on
// the current stream.
at::Tensor ToDevice(const at::Tensor& tensor, at::Device device, at::ScalarType type);

// The other way, contiguous, its bytes being its values: what is in it, is so when `stream` has been waited for. A
// tensor of the host is given back as it is, if it is like that.
at::Tensor ToHost(const at::Tensor& tensor, StreamLease& stream);

// Gives page-locked memory that is kept for later back to the host.
void ReleaseStagingMemory(at::Device device);

}  // namespace torchferry::libtorch
