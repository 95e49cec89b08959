#include "server/torch/run/trial_run.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/base/status.h"
#include "server/tensor/request_limits.h"
#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

// Where any size will do: long enough for most kernels and pools, short enough to be quick.
constexpr int64_t kFreeSize = 16;

at::Tensor MakeUp(tensor::DType dtype, const tensor::Shape& shape, at::Generator& generator) {
  const at::TensorOptions options = at::TensorOptions().dtype(ToTorch(dtype).value());
  if (tensor::IsFloating(dtype)) return at::randn(shape, generator).to(options.dtype());
  // Indices that every table has; lengths and masks that are not all zero.
  return at::ones(shape, options);
}

at::Tensor View(const tensor::HostTensor& tensor) {
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape,
                       at::TensorOptions().dtype(ToTorch(tensor.dtype).value()))
      .to(at::kDouble);
}

}  // namespace

std::optional<tensor::BoundInputs> MadeUpInputs(const tensor::Signature& signature, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  tensor::BoundInputs inputs;
  int64_t left = limits::kMaxGeneratedBytes;
  for (const tensor::TensorSpec& spec : signature.inputs) {
    auto& values = inputs.values.emplace_back();
    if (spec.is_optional) continue;
    if (!tensor::IsOfTensors(spec.kind) || spec.dtype == tensor::DType::kInvalid || !spec.shape.has_value())
      return std::nullopt;
    tensor::Shape shape = *spec.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      const bool is_rows = i == spec.row_dimension && signature.HasBatchDimension();
      if (shape[i] == tensor::kAnyDim) shape[i] = is_rows ? 1 : kFreeSize;
    }
    const absl::StatusOr<int64_t> bytes = tensor::ByteCount(spec.dtype, shape);
    if (!bytes.ok() || *bytes > left) return std::nullopt;
    left -= *bytes;
    values.push_back(FromTorch(MakeUp(spec.dtype, shape, generator), shape));
  }
  return inputs;
}

bool HasFreeSizes(const tensor::Signature& signature) {
  return std::ranges::any_of(signature.inputs, [&](const tensor::TensorSpec& spec) {
    if (!spec.shape.has_value()) return !tensor::IsScalar(spec.kind);
    for (size_t i = 0; i < spec.shape->size(); ++i) {
      const bool is_rows = i == spec.row_dimension && signature.HasBatchDimension();
      if (!is_rows && (*spec.shape)[i] == tensor::kAnyDim) return true;
    }
    return false;
  });
}

int64_t RowsWithinLimit(const tensor::BoundInputs& row) {
  size_t bytes = 1;
  for (const auto& values : row.values) {
    for (const tensor::HostTensor& value : values) bytes += value.bytes.size();
  }
  return std::max<int64_t>(1, limits::kMaxGeneratedBytes / static_cast<int64_t>(bytes));
}

absl::StatusOr<double> Deviation(const std::vector<model::Outputs>& outputs,
                                 const std::vector<model::Outputs>& reference) {
  double worst = 0;
  for (size_t i = 0; i < outputs.at(0).size(); ++i) {
    const tensor::HostTensor& ours = outputs[0][i].tensor;
    const tensor::HostTensor& theirs = reference.at(0).at(i).tensor;
    if (ours.shape != theirs.shape) {
      return base::MakeStatus(absl::StatusCode::kInternal, "output \"{}\" has shape {} instead of {}",
                              outputs[0][i].name, tensor::ToString(ours.shape), tensor::ToString(theirs.shape));
    }
    if (!tensor::IsFloating(ours.dtype) || ours.bytes.empty()) continue;
    const at::Tensor a = View(ours);
    const at::Tensor b = View(theirs);
    // What is not finite in both, and the same, is no difference: masked logits, say.
    const at::Tensor same = a.eq(b).logical_or(a.isnan().logical_and(b.isnan()));
    const double largest = b.abs().masked_fill(b.isfinite().logical_not(), 0).max().item<double>();
    const double difference = (a - b).abs().masked_fill(same, 0).max().item<double>();
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();  // NaN on one side
    worst = std::max(worst, largest > 0 ? difference / largest : difference);
  }
  return worst;
}

}  // namespace torchferry::libtorch
