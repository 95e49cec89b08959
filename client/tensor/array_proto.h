// Conversion of arrays to and from the API's messages.
#pragma once

#include <absl/status/statusor.h>

#include "client/tensor/array.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

v1::Tensor ToProto(Array array);

// INTERNAL when the tensor contradicts itself: unknown dtype, negative dimension, wrong byte count, more than 64
// dimensions.
absl::StatusOr<Array> FromProto(v1::Tensor tensor);

// The API's element types and DType use the same numbers. kInvalid for a type that this client does not know.
tensor::DType FromProto(v1::DataType dtype);

}  // namespace torchferry::client
