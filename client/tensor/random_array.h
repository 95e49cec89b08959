// Generated tensors to try a model with.
#pragma once

#include <absl/status/statusor.h>

#include <random>

#include "client/tensor/array.h"

namespace torchferry::client {

// Floats are uniform in [0, 1), integers 0 to 9, booleans either value. INVALID_ARGUMENT for text, a negative
// dimension, too many dimensions, or more than 2 GiB, which no message holds.
absl::StatusOr<Array> RandomArray(tensor::DType dtype, const tensor::Shape& shape, std::mt19937_64& random);

}  // namespace torchferry::client
