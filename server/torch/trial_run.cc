#include "server/torch/trial_run.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/base/status.h"
#include "server/torch/convert.h"

namespace torchferry {
namespace {

// Where any size will do: long enough for most kernels and pools, short enough to be quick.
constexpr int64_t kFreeSize = 16;

at::Tensor MakeUp(DType dtype, const Shape& shape, at::Generator& generator) {
  const at::TensorOptions options = at::TensorOptions().dtype(ToTorch(dtype).value());
  if (IsFloating(dtype)) return at::randn(shape, generator).to(options.dtype());
  // Indices that every table has; lengths and masks that are not all zero.
  return at::ones(shape, options);
}

at::Tensor View(const HostTensor& tensor) {
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape,
                       at::TensorOptions().dtype(ToTorch(tensor.dtype).value()))
      .to(at::kDouble);
}

}  // namespace

std::optional<BoundInputs> MadeUpInputs(const Signature& signature, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  BoundInputs inputs;
  for (const TensorSpec& spec : signature.inputs) {
    auto& values = inputs.values.emplace_back();
    if (spec.is_optional) continue;
    const bool is_tensor = spec.kind == ArgumentKind::kTensor || spec.kind == ArgumentKind::kOptionalTensor ||
                           spec.kind == ArgumentKind::kTensorList;
    if (!is_tensor || spec.dtype == DType::kInvalid || !spec.shape.has_value()) return std::nullopt;
    Shape shape = *spec.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == kAnyDim) shape[i] = i == 0 && signature.HasBatchDimension() ? 1 : kFreeSize;
    }
    values.push_back(FromTorch(MakeUp(spec.dtype, shape, generator), shape));
  }
  return inputs;
}

absl::StatusOr<double> Deviation(const std::vector<Outputs>& outputs, const std::vector<Outputs>& reference) {
  double worst = 0;
  for (size_t i = 0; i < outputs.at(0).size(); ++i) {
    const HostTensor& ours = outputs[0][i].tensor;
    const HostTensor& theirs = reference.at(0).at(i).tensor;
    if (ours.shape != theirs.shape) {
      return MakeStatus(absl::StatusCode::kInternal, "output \"{}\" has shape {} instead of {}", outputs[0][i].name,
                        ToString(ours.shape), ToString(theirs.shape));
    }
    if (!IsFloating(ours.dtype) || ours.bytes.empty()) continue;
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

}  // namespace torchferry
