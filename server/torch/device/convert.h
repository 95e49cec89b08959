// Converts between our types and LibTorch's.
#pragma once

#include <ATen/ATen.h>
#include <absl/status/status.h>

#include <exception>
#include <optional>
#include <string>

#include "server/tensor/device_id.h"
#include "server/tensor/host_tensor.h"

namespace torchferry::libtorch {

// Nothing for kInvalid and kBytes. FromTorch returns kInvalid for an element type that we have no name for.
std::optional<at::ScalarType> ToTorch(tensor::DType dtype);
tensor::DType FromTorch(at::ScalarType type);

// Throws c10::Error for a type that no backend has registered.
at::Device ToTorch(const tensor::DeviceId& device);

// A view of `tensor`, whose bytes it keeps alive. `tensor` must be dense and on the CPU.
tensor::HostTensor FromTorch(const at::Tensor& tensor, tensor::Shape shape);

// A C++ exception from LibTorch as a status: DeviceFaultStatus for a device's fault (device_errors.h), otherwise
// `code`. The message is the exception's text without C++ stack, TorchScript traceback and source paths. It is UTF-8,
// of at most limits::kMaxErrorTextBytes plus "…".
absl::Status StatusOf(const std::exception& error, absl::StatusCode code);

// That message, from an exception's text.
std::string CleanMessage(const std::string& what);

}  // namespace torchferry::libtorch
