#include "server/checkpoint/tensor_view.h"

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {

std::optional<uint64_t> EndByte(const TensorInfo& tensor, int64_t item_bytes, bool is_empty) {
  int64_t end = tensor.storage_offset;  // in elements until the last step
  bool overflows = false;
  for (size_t i = 0; !is_empty && i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    overflows |= __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach);
    overflows |= __builtin_add_overflow(end, reach, &end);
  }
  overflows |= __builtin_add_overflow(end, is_empty ? 0 : 1, &end);
  overflows |= __builtin_mul_overflow(end, item_bytes, &end);
  if (overflows) return std::nullopt;
  return static_cast<uint64_t>(end);
}

std::optional<int64_t> Elements(const tensor::Shape& shape, size_t count) {
  int64_t elements = 1;
  for (size_t i = 0; i < count; ++i) {
    if (__builtin_mul_overflow(elements, shape[i], &elements)) return std::nullopt;
  }
  return elements;
}

absl::Status LeavesStorage(const TensorInfo& tensor, const StorageInfo& storage) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "is a view {} with strides {} from element {} that leaves its storage {} of "
                          "{} bytes",
                          tensor::ToString(tensor.shape), tensor::ToString(tensor.strides), tensor.storage_offset,
                          Quoted(storage.key), storage.size_bytes);
}

absl::Status ViewChecker::Check(const TensorInfo& tensor, const StorageInfo& storage) {
  if (tensor.strides.size() != tensor.shape.size()) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} sizes and {} strides", tensor.shape.size(),
                            tensor.strides.size());
  }
  const absl::StatusOr<int64_t> dense_bytes = tensor::ByteCount(tensor.dtype, tensor.shape);
  if (!dense_bytes.ok()) return absl::DataLossError(base::MessageOf(dense_bytes.status()));
  const std::optional<uint64_t> end = EndByte(tensor, tensor::ByteSize(tensor.dtype), *dense_bytes == 0);
  if (!end.has_value() || *end > storage.size_bytes) return LeavesStorage(tensor, storage);
  if (static_cast<uint64_t>(*dense_bytes) > storage.size_bytes) {
    uint64_t& total = expanded_bytes_;
    if (__builtin_add_overflow(total, static_cast<uint64_t>(*dense_bytes), &total) ||
        total > limits::kMaxExpandedBytes) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "repeats its elements: {} bytes out of a storage of {}; {} bytes of such "
                              "tensors are read at most; save its .contiguous()",
                              *dense_bytes, storage.size_bytes, limits::kMaxExpandedBytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace torchferry::checkpoint
