#include "client/tensor/array_proto.h"

#include <utility>

#include "server/base/status.h"
#include "server/tensor/request_limits.h"

namespace torchferry::client {
namespace {

static_assert(static_cast<int>(tensor::DType::kBool) == v1::DATA_TYPE_BOOL);
static_assert(static_cast<int>(tensor::DType::kInt64) == v1::DATA_TYPE_INT64);
static_assert(static_cast<int>(tensor::DType::kFp16) == v1::DATA_TYPE_FP16);
static_assert(static_cast<int>(tensor::DType::kFp64) == v1::DATA_TYPE_FP64);
static_assert(static_cast<int>(tensor::DType::kBytes) == v1::DATA_TYPE_BYTES);

}  // namespace

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
  if (array.shape.size() > limits::kMaxTensorRank) {
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
  return dtype >= v1::DATA_TYPE_BOOL && dtype <= v1::DATA_TYPE_BYTES ? static_cast<tensor::DType>(dtype)
                                                                     : tensor::DType::kInvalid;
}

}  // namespace torchferry::client
