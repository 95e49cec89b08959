#include "server/rpc/predict/top_classes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

// IEEE 754's binary16.
struct Half {
  uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor): it is a number
    const int exponent = (bits >> 10) & 0x1F;
    const int fraction = bits & 0x3FF;
    float value = 0;
    if (exponent == 0x1F) {
      value = fraction == 0 ? INFINITY : NAN;
    } else if (exponent == 0) {
      value = std::ldexp(static_cast<float>(fraction), -24);
    } else {
      value = std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
  }
};

// The upper half of an FP32.
struct BFloat {
  uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor): it is a number
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

template <typename Element>
Element At(std::span<const std::byte> bytes, int64_t index) {
  Element element;
  std::memcpy(&element, bytes.data() + index * static_cast<int64_t>(sizeof element), sizeof element);
  return element;
}

template <typename Element>
std::string Text(Element value) {
  if constexpr (std::is_integral_v<Element>) {
    return std::to_string(value);
  } else {
    return fmt::format("{:f}", static_cast<double>(value));
  }
}

// One output being turned into text.
struct Job {
  std::span<const std::byte> bytes;
  int64_t rows;
  int64_t classes;  // in a row
  int64_t count;    // of these
  const std::vector<std::string>& labels;
  int64_t max_bytes;
};

// Nothing when it would be too long.
template <typename Element>
std::optional<std::string> Write(const Job& job) {
  std::string text;
  std::vector<int64_t> order(static_cast<size_t>(job.classes));
  for (int64_t row = 0; row < job.rows; ++row) {
    const int64_t first = row * job.classes;
    const auto is_before = [&](int64_t a, int64_t b) {
      const Element left = At<Element>(job.bytes, first + a);
      const Element right = At<Element>(job.bytes, first + b);
      if constexpr (!std::is_integral_v<Element>) {
        const bool is_left_nan = std::isnan(static_cast<double>(left));
        const bool is_right_nan = std::isnan(static_cast<double>(right));
        if (is_left_nan || is_right_nan) return is_left_nan == is_right_nan ? a < b : is_right_nan;
      }
      return left > right || (left == right && a < b);
    };
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + job.count, order.end(), is_before);
    for (int64_t i = 0; i < job.count; ++i) {
      const int64_t index = order[static_cast<size_t>(i)];
      std::string one = fmt::format("{}:{}", Text(At<Element>(job.bytes, first + index)), index);
      if (index < static_cast<int64_t>(job.labels.size()) && !job.labels[static_cast<size_t>(index)].empty())
        one += ":" + job.labels[static_cast<size_t>(index)];
      const auto length = static_cast<uint32_t>(one.size());
      text.append(reinterpret_cast<const char*>(&length), sizeof length);
      text += one;
      if (static_cast<int64_t>(text.size()) > job.max_bytes) return std::nullopt;
    }
  }
  return text;
}

using Writer = std::optional<std::string> (*)(const Job&);

// Null for what is no number.
Writer WriterOf(tensor::DType dtype) {
  using enum tensor::DType;
  switch (dtype) {
    case kUint8:
      return &Write<uint8_t>;
    case kUint16:
      return &Write<uint16_t>;
    case kUint32:
      return &Write<uint32_t>;
    case kUint64:
      return &Write<uint64_t>;
    case kInt8:
      return &Write<int8_t>;
    case kInt16:
      return &Write<int16_t>;
    case kInt32:
      return &Write<int32_t>;
    case kInt64:
      return &Write<int64_t>;
    case kFp16:
      return &Write<Half>;
    case kBf16:
      return &Write<BFloat>;
    case kFp32:
      return &Write<float>;
    case kFp64:
      return &Write<double>;
    default:
      return nullptr;
  }
}

}  // namespace

absl::StatusOr<tensor::HostTensor> TopClasses(const model::NamedTensor& output, int64_t count, bool has_rows,
                                              const std::vector<std::string>& labels, int64_t max_bytes) {
  const std::string name = base::Excerpt(output.name, limits::kMaxShownBytes);
  const Writer writer = WriterOf(output.tensor.dtype);
  if (writer == nullptr) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "output \"{}\" is {}, which has no largest elements; leave the parameter classification out", name,
        Name(output.tensor.dtype));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t elements, tensor::ElementCount(output.tensor.shape));
  const bool is_by_row = has_rows && !output.tensor.shape.empty();
  const int64_t rows = is_by_row ? output.tensor.shape[0] : 1;
  const int64_t classes = rows == 0 ? 0 : elements / rows;
  const int64_t taken = std::min(count, classes);
  std::optional<std::string> text = writer({.bytes = output.tensor.bytes,
                                            .rows = rows,
                                            .classes = classes,
                                            .count = taken,
                                            .labels = labels,
                                            .max_bytes = max_bytes});
  if (!text.has_value()) {
    return base::MakeStatus(
        absl::StatusCode::kResourceExhausted,
        "the {} largest elements of output \"{}\" are more than {} bytes of text; ask for fewer, or "
        "raise the server's --max-message-mib",
        taken, name, max_bytes);
  }
  const auto owner = std::make_shared<const std::string>(*std::move(text));
  return tensor::HostTensor{.dtype = tensor::DType::kBytes,
                            .shape = is_by_row ? tensor::Shape{rows, taken} : tensor::Shape{taken},
                            .bytes = std::as_bytes(std::span(*owner)),
                            .owner = owner};
}

}  // namespace torchferry::rpc
