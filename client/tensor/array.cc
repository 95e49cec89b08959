#include "client/tensor/array.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "client/tensor/small_float.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

static_assert(std::endian::native == std::endian::little);
static_assert(static_cast<int>(tensor::DType::kBool) == v1::DATA_TYPE_BOOL);
static_assert(static_cast<int>(tensor::DType::kInt64) == v1::DATA_TYPE_INT64);
static_assert(static_cast<int>(tensor::DType::kFp16) == v1::DATA_TYPE_FP16);
static_assert(static_cast<int>(tensor::DType::kFp64) == v1::DATA_TYPE_FP64);

constexpr size_t kMaxRank = 64;  // what numpy and PyTorch take

template <typename T>
T Read(const Array& array, int64_t index) {
  T value;
  std::memcpy(&value, array.data.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void Append(T value, Array* array) {
  array->data.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::string ToText(const Element& element) {
  return std::visit([](auto value) { return fmt::format("{}", value); }, element);
}

absl::Status DoesNotFit(const Element& element, tensor::DType dtype) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} does not fit {}", ToText(element), Name(dtype));
}

double ToDouble(const Element& element) {
  return std::visit([](auto value) { return static_cast<double>(value); }, element);
}

template <typename T>
absl::Status AppendInteger(const Element& element, Array* array) {
  if (const auto* value = std::get_if<double>(&element)) {
    if (!std::isfinite(*value) || std::trunc(*value) != *value) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is not a whole number, as {} needs", *value,
                              Name(array->dtype));
    }
    // 2^digits is exact as a double, the largest integer is not.
    const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    if (*value < static_cast<double>(std::numeric_limits<T>::min()) || *value >= end) {
      return DoesNotFit(element, array->dtype);
    }
    Append(static_cast<T>(*value), array);
    return absl::OkStatus();
  }
  return std::visit(
      [&](auto value) -> absl::Status {
        if constexpr (std::is_same_v<decltype(value), bool>) {
          Append(static_cast<T>(value), array);
        } else if constexpr (std::is_integral_v<decltype(value)>) {
          if (!std::in_range<T>(value)) return DoesNotFit(element, array->dtype);
          Append(static_cast<T>(value), array);
        }
        return absl::OkStatus();
      },
      element);
}

absl::Status AppendBool(const Element& element, Array* array) {
  const double value = ToDouble(element);
  if (value != 0 && value != 1) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is neither true nor false", ToText(element));
  }
  Append(static_cast<uint8_t>(value), array);
  return absl::OkStatus();
}

// A finite value must not become infinite.
absl::Status AppendFloat(const Element& element, Array* array) {
  const double value = ToDouble(element);
  double stored = value;
  switch (array->dtype) {
    case tensor::DType::kFp16:
      stored = DecodeFp16(EncodeFp16(value));
      break;
    case tensor::DType::kBf16:
      stored = DecodeBf16(EncodeBf16(value));
      break;
    case tensor::DType::kFp32:
      stored = static_cast<float>(value);
      break;
    default:
      break;
  }
  if (std::isinf(stored) && !std::isinf(value)) return DoesNotFit(element, array->dtype);
  switch (array->dtype) {
    case tensor::DType::kFp16:
      Append(EncodeFp16(value), array);
      break;
    case tensor::DType::kBf16:
      Append(EncodeBf16(value), array);
      break;
    case tensor::DType::kFp32:
      Append(static_cast<float>(value), array);
      break;
    default:
      Append(value, array);
      break;
  }
  return absl::OkStatus();
}

}  // namespace

Element GetElement(const Array& array, int64_t index) {
  switch (array.dtype) {
    case tensor::DType::kBool:
      return Read<uint8_t>(array, index) != 0;
    case tensor::DType::kUint8:
      return int64_t{Read<uint8_t>(array, index)};
    case tensor::DType::kUint16:
      return int64_t{Read<uint16_t>(array, index)};
    case tensor::DType::kUint32:
      return int64_t{Read<uint32_t>(array, index)};
    case tensor::DType::kUint64:
      return Read<uint64_t>(array, index);
    case tensor::DType::kInt8:
      return int64_t{Read<int8_t>(array, index)};
    case tensor::DType::kInt16:
      return int64_t{Read<int16_t>(array, index)};
    case tensor::DType::kInt32:
      return int64_t{Read<int32_t>(array, index)};
    case tensor::DType::kInt64:
      return Read<int64_t>(array, index);
    case tensor::DType::kFp16:
      return DecodeFp16(Read<uint16_t>(array, index));
    case tensor::DType::kBf16:
      return DecodeBf16(Read<uint16_t>(array, index));
    case tensor::DType::kFp32:
      return double{Read<float>(array, index)};
    case tensor::DType::kFp64:
      return Read<double>(array, index);
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

absl::Status AppendElement(const Element& element, Array* array) {
  switch (array->dtype) {
    case tensor::DType::kBool:
      return AppendBool(element, array);
    case tensor::DType::kUint8:
      return AppendInteger<uint8_t>(element, array);
    case tensor::DType::kUint16:
      return AppendInteger<uint16_t>(element, array);
    case tensor::DType::kUint32:
      return AppendInteger<uint32_t>(element, array);
    case tensor::DType::kUint64:
      return AppendInteger<uint64_t>(element, array);
    case tensor::DType::kInt8:
      return AppendInteger<int8_t>(element, array);
    case tensor::DType::kInt16:
      return AppendInteger<int16_t>(element, array);
    case tensor::DType::kInt32:
      return AppendInteger<int32_t>(element, array);
    case tensor::DType::kInt64:
      return AppendInteger<int64_t>(element, array);
    case tensor::DType::kFp16:
    case tensor::DType::kBf16:
    case tensor::DType::kFp32:
    case tensor::DType::kFp64:
      return AppendFloat(element, array);
    default:
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} does not travel over the API",
                              Name(array->dtype));
  }
}

absl::StatusOr<Array> Cast(const Array& array, tensor::DType dtype) {
  FERRY_ASSIGN_OR_RETURN(const int64_t count, tensor::ElementCount(array.shape));
  Array result{dtype, array.shape, {}};
  result.data.reserve(static_cast<size_t>(count * tensor::ByteSize(dtype)));
  for (int64_t i = 0; i < count; ++i) {
    if (const absl::Status status = AppendElement(GetElement(array, i), &result); !status.ok()) {
      return base::Annotate(status, fmt::format("element {}", PositionOf(array.shape, i)));
    }
  }
  return result;
}

v1::Tensor ToProto(Array array) {
  v1::Tensor tensor;
  tensor.set_dtype(static_cast<v1::DataType>(array.dtype));
  tensor.mutable_shape()->Add(array.shape.begin(), array.shape.end());
  tensor.set_data(std::move(array.data));
  return tensor;
}

absl::StatusOr<Array> FromProto(v1::Tensor tensor) {
  Array array{FromProto(tensor.dtype()), {tensor.shape().begin(), tensor.shape().end()}, {}};
  if (array.dtype == tensor::DType::kInvalid) {
    return base::MakeStatus(absl::StatusCode::kInternal, "has dtype number {}, which this client does not know",
                            static_cast<int>(tensor.dtype()));
  }
  if (array.shape.size() > kMaxRank) {
    return base::MakeStatus(absl::StatusCode::kInternal, "has {} dimensions", array.shape.size());
  }
  const absl::StatusOr<int64_t> bytes = tensor::ByteCount(array.dtype, array.shape);
  if (!bytes.ok()) return base::MakeStatus(absl::StatusCode::kInternal, "{}", base::MessageOf(bytes.status()));
  if (static_cast<size_t>(*bytes) != tensor.data().size()) {
    return base::MakeStatus(absl::StatusCode::kInternal, "holds {} bytes, but {} {} needs {}", tensor.data().size(),
                            Name(array.dtype), tensor::ToString(array.shape), *bytes);
  }
  array.data = std::move(*tensor.mutable_data());
  return array;
}

tensor::DType FromProto(v1::DataType dtype) {
  return dtype >= v1::DATA_TYPE_BOOL && dtype <= v1::DATA_TYPE_FP64 ? static_cast<tensor::DType>(dtype)
                                                                    : tensor::DType::kInvalid;
}

std::string PositionOf(const tensor::Shape& shape, int64_t index) {
  tensor::Shape position(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    position[i] = index % shape[i];
    index /= shape[i];
  }
  return tensor::ToString(position);
}

std::string NumpyName(tensor::DType dtype) {
  const std::string name(tensor::TorchName(dtype));
  return name.starts_with("torch.") ? name.substr(6) : name;
}

}  // namespace torchferry::client
