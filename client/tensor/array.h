// A tensor that the client made or received: it owns its bytes. Elements are read and written one
// by one here, and nowhere else, so that JSON, .npy files and casts agree on what fits into which
// dtype.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <variant>

#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::client {

// Row-major, little-endian, dense; data.size() equals ByteCount(dtype, shape).
struct Array {
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;
  std::string data;
};

// One element, exact whatever its dtype.
using Element = std::variant<bool, int64_t, uint64_t, double>;

// `index` counts elements in row-major order and must be in range.
Element GetElement(const Array& array, int64_t index);

// Appends `element` as `array.dtype`. Floats are rounded to the nearest; everything else must fit
// exactly. INVALID_ARGUMENT naming the value otherwise: "1.5 is not a whole number", "300 does not
// fit UINT8".
absl::Status AppendElement(const Element& element, Array* array);

// `array` in another dtype; INVALID_ARGUMENT naming the first element that does not fit and where
// it is.
absl::StatusOr<Array> Cast(const Array& array, tensor::DType dtype);

// "[1, 0]": where the element of that number is.
std::string PositionOf(const tensor::Shape& shape, int64_t index);

// "float32": what numpy and PyTorch call it.
std::string NumpyName(tensor::DType dtype);

}  // namespace torchferry::client
