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

// `stored` is how `element` is kept, and `value` what that is as a number. A finite element must not become infinite.
template <typename T>
absl::Status AppendRounded(const Element& element, T stored, double value, Array* array) {
  if (std::isinf(value) && !std::isinf(ToDouble(element))) return DoesNotFit(element, array->dtype);
  Append(stored, array);
  return absl::OkStatus();
}

absl::Status AppendFloat(const Element& element, Array* array) {
  const double value = ToDouble(element);
  switch (array->dtype) {
    case tensor::DType::kFp16:
      return AppendRounded(element, EncodeFp16(value), DecodeFp16(EncodeFp16(value)), array);
    case tensor::DType::kBf16:
      return AppendRounded(element, EncodeBf16(value), DecodeBf16(EncodeBf16(value)), array);
    case tensor::DType::kFp32:
      return AppendRounded(element, static_cast<float>(value), static_cast<float>(value), array);
    default:
      return AppendRounded(element, value, value, array);
  }
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
    case tensor::DType::kBytes:
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is no text; give text as JSON, such as [\"a\"]",
                              ToText(element));
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
