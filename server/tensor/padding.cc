#include "server/tensor/padding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "server/base/status.h"
#include "server/tensor/signature.h"

namespace torchferry::tensor {
namespace {

using Bytes = std::vector<std::byte>;

template <typename Element>
std::optional<Bytes> BytesOf(double value) {
  if constexpr (std::is_integral_v<Element>) {
    // The upper bound is the first number that is too large: it is a power of two, which a double holds.
    const double end = std::ldexp(1.0, std::numeric_limits<Element>::digits);
    if (value != std::floor(value) || value < static_cast<double>(std::numeric_limits<Element>::min()) || value >= end)
      return std::nullopt;
  } else if (std::abs(value) > static_cast<double>(std::numeric_limits<Element>::max())) {
    return std::nullopt;
  }
  const auto element = static_cast<Element>(value);
  Bytes bytes(sizeof element);
  std::memcpy(bytes.data(), &element, sizeof element);
  return bytes;
}

std::optional<Bytes> HalfOf(double value, uint16_t one) {
  if (value != 0 && value != 1) return std::nullopt;
  return BytesOf<uint16_t>(value * one);
}

// A tensor's elements around one dimension: `outer` runs, each of the dimension's size times `inner_bytes`.
struct Runs {
  int64_t outer = 1;
  int64_t inner_bytes = 0;
};

Runs RunsOf(DType dtype, const Shape& shape, size_t dimension) {
  Runs runs{.outer = 1, .inner_bytes = ByteSize(dtype)};
  for (size_t i = 0; i < dimension; ++i) runs.outer *= shape[i];
  for (size_t i = dimension + 1; i < shape.size(); ++i) runs.inner_bytes *= shape[i];
  return runs;
}

void Repeat(const Bytes& element, std::byte* to, int64_t bytes) {
  if (std::ranges::all_of(element, [](std::byte byte) { return byte == std::byte{0}; })) {
    std::memset(to, 0, static_cast<size_t>(bytes));
    return;
  }
  for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(element.size()))
    std::memcpy(to + at, element.data(), element.size());
}

HostTensor Owning(DType dtype, Shape shape, std::shared_ptr<Bytes> bytes) {
  HostTensor tensor{.dtype = dtype, .shape = std::move(shape), .bytes = *bytes, .owner = nullptr};
  tensor.owner = std::move(bytes);
  return tensor;
}

HostTensor FillUp(const HostTensor& tensor, const PadPlan::Input& input, int64_t size) {
  const int64_t length = tensor.shape[input.dimension];
  const Runs runs = RunsOf(tensor.dtype, tensor.shape, input.dimension);
  const int64_t own = length * runs.inner_bytes;
  const int64_t all = size * runs.inner_bytes;
  auto bytes = std::make_shared<Bytes>(static_cast<size_t>(runs.outer * all));
  for (int64_t i = 0; i < runs.outer; ++i) {
    std::byte* const to = bytes->data() + i * all;
    std::memcpy(to, tensor.bytes.data() + i * own, static_cast<size_t>(own));
    Repeat(input.fill, to + own, all - own);
  }
  Shape shape = tensor.shape;
  shape[input.dimension] = size;
  return Owning(tensor.dtype, std::move(shape), std::move(bytes));
}

// As the plan has it, and whole.
bool Fits(const PadPlan::Input& input, const HostTensor& tensor, size_t rank) {
  return tensor.dtype == input.dtype && tensor.shape.size() == rank && CheckTensor(input.name, tensor).ok();
}

// The inputs of a request that have its length.
struct Found {
  std::vector<std::pair<const PadPlan::Input*, HostTensor*>> inputs;
  HostTensor* mask = nullptr;
  int64_t length = 0;
  int64_t rows = 0;
};

// Nothing where something is not as the plan says.
absl::StatusOr<std::optional<Found>> Find(const PadPlan& plan, std::map<std::string, HostTensor>& inputs) {
  Found found;
  std::string first;
  const auto see = [&](const PadPlan::Input& input, HostTensor& tensor) -> absl::Status {
    const int64_t length = tensor.shape[input.dimension];
    if (first.empty()) {
      first = input.name;
      found.length = length;
      found.rows = tensor.shape[0];
      return absl::OkStatus();
    }
    if (length == found.length) return absl::OkStatus();
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "inputs disagree on the length: \"{}\" has {}, \"{}\" has {}; the model's pad_to fills up "
                            "inputs of one length",
                            first, found.length, input.name, length);
  };
  for (const PadPlan::Input& input : plan.inputs) {
    const auto it = inputs.find(input.name);
    if (it == inputs.end()) continue;
    if (input.dimension >= it->second.shape.size() || !Fits(input, it->second, it->second.shape.size()))
      return std::nullopt;
    FERRY_RETURN_IF_ERROR(see(input, it->second));
    found.inputs.emplace_back(&input, &it->second);
  }
  if (first.empty() || found.length < 1) return std::nullopt;
  if (const auto it = inputs.find(plan.mask.name); it != inputs.end()) {
    if (!Fits(plan.mask, it->second, plan.mask_shape.size())) return std::nullopt;
    FERRY_RETURN_IF_ERROR(see(plan.mask, it->second));
    found.mask = &it->second;
  }
  return found;
}

// Of them when they are filled up, the mask included.
absl::StatusOr<int64_t> PaddedBytes(const PadPlan& plan, const Found& found, int64_t size) {
  int64_t sum = 0;
  const auto add = [&sum](DType dtype, Shape shape, size_t dimension, int64_t of) -> absl::Status {
    shape[dimension] = of;
    FERRY_ASSIGN_OR_RETURN(const int64_t bytes, ByteCount(dtype, shape));
    sum = bytes > std::numeric_limits<int64_t>::max() - sum ? std::numeric_limits<int64_t>::max() : sum + bytes;
    return absl::OkStatus();
  };
  if (size > found.length) {
    for (const auto& [input, tensor] : found.inputs)
      FERRY_RETURN_IF_ERROR(add(tensor->dtype, tensor->shape, input->dimension, size));
  }
  if (size > found.length || found.mask == nullptr) {
    Shape shape = plan.mask_shape;
    shape[0] = found.rows;
    FERRY_RETURN_IF_ERROR(add(plan.mask.dtype, std::move(shape), plan.mask.dimension, size));
  }
  return sum;
}

HostTensor Ones(const PadPlan& plan, const Found& found) {
  Shape shape = plan.mask_shape;
  shape[0] = found.rows;
  shape[plan.mask.dimension] = found.length;
  auto bytes = std::make_shared<Bytes>(static_cast<size_t>(ByteCount(plan.mask.dtype, shape).value_or(0)));
  Repeat(plan.one, bytes->data(), static_cast<int64_t>(bytes->size()));
  return Owning(plan.mask.dtype, std::move(shape), std::move(bytes));
}

}  // namespace

std::optional<Bytes> ElementOf(DType dtype, double value) {
  if (!std::isfinite(value)) return std::nullopt;
  switch (dtype) {
    case DType::kBool:
      return value == 0 || value == 1 ? BytesOf<uint8_t>(value) : std::nullopt;
    case DType::kUint8:
      return BytesOf<uint8_t>(value);
    case DType::kUint16:
      return BytesOf<uint16_t>(value);
    case DType::kUint32:
      return BytesOf<uint32_t>(value);
    case DType::kUint64:
      return BytesOf<uint64_t>(value);
    case DType::kInt8:
      return BytesOf<int8_t>(value);
    case DType::kInt16:
      return BytesOf<int16_t>(value);
    case DType::kInt32:
      return BytesOf<int32_t>(value);
    case DType::kInt64:
      return BytesOf<int64_t>(value);
    case DType::kFp16:
      return HalfOf(value, 0x3C00);
    case DType::kBf16:
      return HalfOf(value, 0x3F80);
    case DType::kFp32:
      return BytesOf<float>(value);
    case DType::kFp64:
      return BytesOf<double>(value);
    default:
      return std::nullopt;
  }
}

absl::StatusOr<PaddedLength> PadInputs(const PadPlan& plan, int64_t max_bytes,
                                       const std::function<absl::Status(int64_t bytes)>& reserve,
                                       std::map<std::string, HostTensor>& inputs) {
  FERRY_ASSIGN_OR_RETURN(const std::optional<Found> found, Find(plan, inputs));
  if (!found.has_value()) return PaddedLength{};
  const auto next = std::ranges::lower_bound(plan.sizes, found->length);
  const int64_t size = next == plan.sizes.end() ? found->length : *next;
  FERRY_ASSIGN_OR_RETURN(const int64_t bytes, PaddedBytes(plan, *found, size));
  if (bytes > max_bytes) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                            "filled up from length {} to {} (the model's pad_to), the inputs have {} bytes; expected "
                            "at most {}. Send fewer rows, or raise the server's --max-message-mib",
                            found->length, size, bytes, max_bytes);
  }
  if (reserve && bytes > 0) FERRY_RETURN_IF_ERROR(reserve(bytes));
  if (size > found->length) {
    for (const auto& [input, tensor] : found->inputs) *tensor = FillUp(*tensor, *input, size);
  }
  const HostTensor mask = found->mask == nullptr ? Ones(plan, *found) : *found->mask;
  inputs[plan.mask.name] = size > found->length ? FillUp(mask, plan.mask, size) : mask;
  return PaddedLength{.own = found->length, .padded = size};
}

HostTensor CutTo(const HostTensor& tensor, size_t dimension, int64_t length) {
  const Runs runs = RunsOf(tensor.dtype, tensor.shape, dimension);
  const int64_t own = length * runs.inner_bytes;
  const int64_t all = tensor.shape[dimension] * runs.inner_bytes;
  auto bytes = std::make_shared<Bytes>(static_cast<size_t>(runs.outer * own));
  for (int64_t i = 0; i < runs.outer; ++i)
    std::memcpy(bytes->data() + i * own, tensor.bytes.data() + i * all, static_cast<size_t>(own));
  Shape shape = tensor.shape;
  shape[dimension] = length;
  return Owning(tensor.dtype, std::move(shape), std::move(bytes));
}

}  // namespace torchferry::tensor
