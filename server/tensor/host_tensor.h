// A tensor in host memory: bytes, their type and shape, and their owner.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::tensor {

// Row-major, little-endian, dense. The code that makes a HostTensor ensures that `bytes.size()` equals ByteCount(dtype,
// shape). `bytes` need not be aligned to the element. A HostTensor is immutable and cheap to copy.
struct HostTensor {
  DType dtype = DType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // keeps `bytes` alive; null when the caller does
};

}  // namespace torchferry::tensor
