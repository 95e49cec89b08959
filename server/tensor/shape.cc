#include "server/tensor/shape.h"

#include <limits>

#include "server/base/status.h"

namespace torchferry::tensor {

std::string ToString(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

absl::StatusOr<int64_t> ElementCount(std::span<const int64_t> shape) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "shape {} has a negative dimension: {} at index {}",
                              ToString(shape), shape[i], i);
    }
  }
  bool is_empty = false;
  int64_t count = 1;
  for (const int64_t dim : shape) {
    is_empty = is_empty || dim == 0;
    if (dim == 0) continue;
    if (count > std::numeric_limits<int64_t>::max() / dim) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "shape {} overflows: more than 2^63-1 elements",
                              ToString(shape));
    }
    count *= dim;
  }
  return is_empty ? 0 : count;
}

absl::StatusOr<int64_t> ByteCount(DType dtype, std::span<const int64_t> shape) {
  FERRY_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(shape));
  const int64_t size = ByteSize(dtype);
  if (size > 0 && elements > std::numeric_limits<int64_t>::max() / size) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "shape {} of {} overflows: more than 2^63-1 bytes",
                            ToString(shape), Name(dtype));
  }
  return elements * size;
}

bool Matches(std::span<const int64_t> declared, std::span<const int64_t> actual) {
  if (declared.size() != actual.size()) return false;
  for (size_t i = 0; i < declared.size(); ++i) {
    if (declared[i] != kAnyDim && declared[i] != actual[i]) return false;
  }
  return true;
}

}  // namespace torchferry::tensor
