// Copies between the host and an accelerator.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "server/base/clock.h"
#include "server/torch/device/device_stream.h"

namespace torchferry::libtorch {

// Host memory for a copy to or from the stream's device, contiguous and not initialised. It is page-locked where the
// device's backend has such memory, up to a limit (staging.cc): the device then copies while the host goes on. The
// memory is reused when neither the stream nor another owner needs it.
at::Tensor StagingTensor(at::IntArrayRef sizes, at::ScalarType type, StreamLease& stream);

// Copies a host tensor to `device`, as `type`. The copy, and the cast on the device, may still be in flight on the
// current stream.
at::Tensor ToDevice(const at::Tensor& tensor, at::Device device, at::ScalarType type);

// Copies a tensor to the host, contiguous, with conjugation and negation resolved. Its bytes are valid once `stream` is
// synchronized. A host tensor that is already like this is returned as it is.
at::Tensor ToHost(const at::Tensor& tensor, StreamLease& stream);

// Returns cached page-locked memory to the host.
void ReleaseStagingMemory(at::Device device);

// Returns the part of it that at `now` nobody has needed for 30 s. Giving a block back does so every few seconds.
void SweepStagingMemory(at::Device device, base::TimePoint now);

}  // namespace torchferry::libtorch
