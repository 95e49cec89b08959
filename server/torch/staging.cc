#include "server/torch/staging.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/CachingHostAllocator.h>

#include "server/base/logging.h"
#include "server/torch/convert.h"

namespace torchferry {
namespace {

// Null where the backend has none, or there is no more of it: then any memory will do.
at::Tensor PageLocked(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  static std::atomic<bool> is_said = false;
  try {
    c10::Allocator* allocator = at::globalContext().getPinnedMemoryAllocator(device.type());
    return at::detail::empty_generic(sizes, allocator, c10::DispatchKeySet(c10::DispatchKey::CPU), type, at::MemoryFormat::Contiguous);
  } catch (const std::exception& error) {
    if (!is_said.exchange(true)) LogInfo("no page-locked memory", {{"device", device.str()}, {"reason", CleanMessage(error.what())}});
    return {};
  }
}

}  // namespace

at::Tensor StagingTensor(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  at::Tensor tensor = device.is_cpu() ? at::Tensor() : PageLocked(sizes, type, device);
  return tensor.defined() ? tensor : at::empty(sizes, at::TensorOptions().dtype(type));
}

at::Tensor ToDevice(const at::Tensor& tensor, at::Device device, at::ScalarType type) {
  if (device.is_cpu()) return tensor.to(type);
  return tensor.to(device, /*non_blocking=*/true).to(type);
}

at::Tensor ToHost(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor.contiguous();
  at::Tensor host = StagingTensor(tensor.sizes(), tensor.scalar_type(), tensor.device());
  host.copy_(tensor, /*non_blocking=*/true);
  return host;
}

void ReleaseStagingMemory(at::Device device) {
  // A backend may have an allocator of page-locked memory that keeps none of it, and no entry here.
  if (at::HostAllocator* allocator = device.is_cpu() ? nullptr : at::getHostAllocator(device.type())) allocator->empty_cache();
}

}  // namespace torchferry
