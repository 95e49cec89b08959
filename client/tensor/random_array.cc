#include "client/tensor/random_array.h"

#include "server/base/status.h"
#include "server/tensor/request_limits.h"

namespace torchferry::client {
namespace {

constexpr int64_t kMaxArrayBytes = int64_t{1} << 31;

}  // namespace

absl::StatusOr<Array> RandomArray(tensor::DType dtype, const tensor::Shape& shape, std::mt19937_64& random) {
  if (shape.size() > limits::kMaxTensorRank) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} dimensions, expected at most {}", shape.size(),
                            limits::kMaxTensorRank);
  }
  if (dtype == tensor::DType::kBytes) {
    return absl::InvalidArgumentError("it is text, which is not generated; give it as JSON, such as [\"a\"]");
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t bytes, tensor::ByteCount(dtype, shape));
  if (bytes > kMaxArrayBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} {} would be {} bytes, more than a message holds",
                            Name(dtype), tensor::ToString(shape), bytes);
  }
  Array array{dtype, shape, {}};
  array.data.reserve(static_cast<size_t>(bytes));
  std::uniform_real_distribution<float> real(0.0F, 1.0F);
  std::uniform_int_distribution<int64_t> whole(0, dtype == tensor::DType::kBool ? 1 : 9);
  while (static_cast<int64_t>(array.data.size()) < bytes) {
    const Element element = tensor::IsFloating(dtype) ? Element(double{real(random)}) : Element(whole(random));
    FERRY_RETURN_IF_ERROR(AppendElement(element, &array));
  }
  return array;
}

}  // namespace torchferry::client
