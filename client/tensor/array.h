// A tensor that the client made or received: it owns its bytes. Elements are read and written one by one, and only
// here. Thus JSON, .npy files and casts agree on which values fit a dtype.
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

// One element, exact for every dtype.
using Element = std::variant<bool, int64_t, uint64_t, double>;

// `index` counts elements in row-major order and must be in range.
Element GetElement(const Array& array, int64_t index);

// Appends `element` as `array.dtype`. Floats are rounded to the nearest; every other element must fit exactly.
// Otherwise INVALID_ARGUMENT names the value: "1.5 is not a whole number", "300 does not fit UINT8".
absl::Status AppendElement(const Element& element, Array* array);

// `array` in another dtype. INVALID_ARGUMENT names the first element that does not fit, and its position.
absl::StatusOr<Array> Cast(const Array& array, tensor::DType dtype);

// "[1, 0]": the position of the element with number `index`.
std::string PositionOf(const tensor::Shape& shape, int64_t index);

// "float32": the name in numpy and PyTorch.
std::string NumpyName(tensor::DType dtype);

}  // namespace torchferry::client
