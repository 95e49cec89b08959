// Checks whether a tensor, as a file describes it, lies inside its storage.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>

#include "server/checkpoint/checkpoint.h"
#include "server/tensor/shape.h"

namespace torchferry::checkpoint {

// One past the last byte that the view uses, from the storage's begin. For an empty view this is its offset. Nothing
// when that exceeds int64.
std::optional<uint64_t> EndByte(const TensorInfo& tensor, int64_t item_bytes, bool is_empty);

// The product of the first `count` sizes. Nothing when that exceeds int64.
std::optional<int64_t> Elements(const tensor::Shape& shape, size_t count);

// DATA_LOSS says how the view leaves its storage.
absl::Status LeavesStorage(const TensorInfo& tensor, const StorageInfo& storage);

// Checks the views of one file against their storages. For one thread.
class ViewChecker {
 public:
  // DATA_LOSS: unequal numbers of strides and sizes, a view that leaves `storage`, or more repeated elements over all
  // views than limits.h allows. Sizes, strides and the offset are not negative.
  absl::Status Check(const TensorInfo& tensor, const StorageInfo& storage);

 private:
  uint64_t expanded_bytes_ = 0;  // see limits::kMaxExpandedBytes
};

}  // namespace torchferry::checkpoint
