// Shapes: sizes from the slowest dimension to the fastest, row-major.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "server/tensor/dtype.h"

namespace torchferry::tensor {

using Shape = std::vector<int64_t>;

inline constexpr int64_t kAnyDim = -1;  // in a declared shape: any size

// "[2, 3]"; kAnyDim prints as -1.
std::string ToString(std::span<const int64_t> shape);

// Elements of a tensor of that shape; 1 for [], 0 if a dimension is 0. INVALID_ARGUMENT for a negative dimension, and
// where the product of the nonzero dimensions exceeds int64. An empty tensor's strides are products of these
// dimensions, too.
absl::StatusOr<int64_t> ElementCount(std::span<const int64_t> shape);

// Bytes of such a tensor; INVALID_ARGUMENT as above.
absl::StatusOr<int64_t> ByteCount(DType dtype, std::span<const int64_t> shape);

// Same rank, and equal wherever `declared` is not kAnyDim.
bool Matches(std::span<const int64_t> declared, std::span<const int64_t> actual);

}  // namespace torchferry::tensor
