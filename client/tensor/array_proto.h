// Arrays as the API carries them.
#pragma once

#include <absl/status/statusor.h>

#include "client/tensor/array.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

v1::Tensor ToProto(Array array);

// INTERNAL when the tensor disagrees with itself: unknown dtype, negative dimension, wrong byte
// count, more than 64 dimensions.
absl::StatusOr<Array> FromProto(v1::Tensor tensor);

// The API's element types and DType are the same numbers; kInvalid for what this client does not
// know.
tensor::DType FromProto(v1::DataType dtype);

}  // namespace torchferry::client
