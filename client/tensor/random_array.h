// Made-up tensors for trying a model out.
#pragma once

#include <absl/status/statusor.h>

#include <random>

#include "client/tensor/array.h"

namespace torchferry::client {

// Floats uniform in [0, 1), integers 0 to 9, booleans either. INVALID_ARGUMENT for a negative
// dimension or more than 2 GiB, which no message holds.
absl::StatusOr<Array> RandomArray(tensor::DType dtype, const tensor::Shape& shape, std::mt19937_64& random);

}  // namespace torchferry::client
