// Whether a tensor, as a file describes it, lies inside its storage.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>

#include "server/checkpoint/checkpoint.h"
#include "server/tensor/shape.h"

namespace torchferry::checkpoint {

// One past the last byte that the view reaches, from the storage's begin; an empty view reaches its
// offset. Nothing when that is beyond int64.
std::optional<uint64_t> EndByte(const TensorInfo& tensor, int64_t item_bytes, bool is_empty);

// The product of the first `count` sizes; nothing when that is beyond int64.
std::optional<int64_t> Elements(const tensor::Shape& shape, size_t count);

// DATA_LOSS that says how the view leaves its storage.
absl::Status LeavesStorage(const TensorInfo& tensor, const StorageInfo& storage);

// Holds the views of one file against their storages. One thread.
class ViewChecker {
 public:
  // DATA_LOSS: other numbers of strides than of sizes, a view that leaves `storage`, more repeated elements in all
  // than limits.h allows. Sizes, strides and the offset are not negative.
  absl::Status Check(const TensorInfo& tensor, const StorageInfo& storage);

 private:
  uint64_t expanded_bytes_ = 0;  // see limits::kMaxExpandedBytes
};

}  // namespace torchferry::checkpoint
