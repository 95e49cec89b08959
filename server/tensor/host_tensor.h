// A tensor in host memory: bytes, what they mean, and who keeps them alive.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::tensor {

// Row-major, little-endian, dense. `bytes.size()` equals ByteCount(dtype, shape); whoever makes one sees to it.
// `bytes` need not be aligned to the element. Immutable and cheap to copy.
struct HostTensor {
  DType dtype = DType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // keeps `bytes` alive; null when the caller does
};

}  // namespace torchferry::tensor
