// What the loader relies on of a checkpoint that was read, for the fuzz targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/tensor/dtype.h"

namespace torchferry::checkpoint::testing {

// Each element lies in the tensor's storage.
inline void CheckTensor(const Checkpoint& checkpoint, const TensorInfo& tensor) {
  if (tensor.storage >= checkpoint.storages().size()) std::abort();
  if (tensor.shape.size() != tensor.strides.size()) std::abort();
  int64_t last = tensor.storage_offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] < 0 || tensor.strides[i] < 0) std::abort();
    if (tensor.shape[i] == 0) return;
    last += (tensor.shape[i] - 1) * tensor.strides[i];
  }
  const uint64_t end = static_cast<uint64_t>(last + 1) * tensor::ByteSize(tensor.dtype);
  if (end > checkpoint.storages()[tensor.storage].size_bytes) std::abort();
}

// All tensors; small storages are read.
inline void CheckTensors(const Checkpoint& checkpoint) {
  constexpr uint64_t kMaxReadBytes = 1 << 20;
  for (const TensorInfo& tensor : checkpoint.tensors()) CheckTensor(checkpoint, tensor);
  for (size_t i = 0; i < checkpoint.storages().size(); ++i) {
    if (checkpoint.storages()[i].size_bytes > kMaxReadBytes) continue;
    std::vector<std::byte> bytes(checkpoint.storages()[i].size_bytes);
    (void)checkpoint.ReadStorage(i, bytes);
  }
}

}  // namespace torchferry::checkpoint::testing
