#include "server/torch/load/golden_difference.h"

#include <ATen/ATen.h>

#include <limits>

#include "server/base/status.h"
#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::Tensor View(const tensor::HostTensor& tensor) {
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape,
                       at::TensorOptions().dtype(ToTorch(tensor.dtype).value()));
}

// Of the element `at` of a tensor of `shape`, in row-major order.
tensor::Shape IndexOf(int64_t at, const tensor::Shape& shape) {
  tensor::Shape index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = at % shape[i];
    at /= shape[i];
  }
  return index;
}

}  // namespace

absl::StatusOr<GoldenDifference> FurthestFromGolden(const tensor::HostTensor& got, const tensor::HostTensor& want,
                                                    double rtol, double atol) {
  const bool are_floating = tensor::IsFloating(got.dtype) && tensor::IsFloating(want.dtype);
  if (!are_floating && got.dtype != want.dtype) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "it is {} and was {} when it was saved",
                            Name(got.dtype), Name(want.dtype));
  }
  if (got.shape != want.shape) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "its shape is {} and was {} when it was saved",
                            tensor::ToString(got.shape), tensor::ToString(want.shape));
  }
  GoldenDifference furthest;
  if (want.bytes.empty()) return furthest;
  const at::Tensor are_equal = View(got).eq(View(want)).flatten();
  const at::Tensor a = View(got).to(at::kDouble).flatten();
  const at::Tensor b = View(want).to(at::kDouble).flatten();
  // What is not finite in both, and the same, is no difference.
  const at::Tensor same = are_equal.logical_or(a.isnan().logical_and(b.isnan()));
  at::Tensor difference = (a - b).abs().masked_fill(same, 0).nan_to_num(kInfinity, kInfinity);
  // Whole numbers that a double does not tell apart.
  difference = difference.masked_fill(same.logical_not().logical_and(difference.eq(0)), 1);
  const at::Tensor allowed = are_floating ? b.abs() * rtol + atol : at::zeros_like(b);
  // Where nothing is allowed, a share is infinite.
  const at::Tensor share = (difference / allowed).masked_fill(same, 0).nan_to_num(kInfinity, kInfinity);
  const auto at = share.argmax().item<int64_t>();
  furthest.difference = difference[at].item<double>();
  furthest.allowed = allowed[at].item<double>();
  furthest.got = a[at].item<double>();
  furthest.want = b[at].item<double>();
  furthest.index = IndexOf(at, want.shape);
  // By the difference itself: a share of 1 is rounded.
  furthest.is_within = difference.le(allowed).logical_and(difference.isfinite()).logical_or(same).all().item<bool>();
  return furthest;
}

}  // namespace torchferry::libtorch
