#include "server/torch/precision_border.h"

#include <algorithm>

#include "server/torch/convert.h"
#include "server/torch/native_outputs.h"

namespace torchferry {

PrecisionBorder::PrecisionBorder(const PrecisionPlan& plan, const torch::jit::Module& saved, const ModelSignature& signature)
    : to_(ToTorch(plan.to).value_or(at::kFloat)), autocast_bf16_(plan.autocast_bf16) {
  for (const DType type : plan.from) from_.push_back(ToTorch(type).value());
  if (plan.changes()) native_ = NativeOutputs(saved, signature, from_.empty() ? at::kBFloat16 : to_);
}

at::Tensor PrecisionBorder::In(const at::Tensor& tensor, at::Device device) const {
  const bool is_cast = std::ranges::find(from_, tensor.scalar_type()) != from_.end();
  return tensor.to(device, is_cast ? to_ : tensor.scalar_type());
}

at::Tensor PrecisionBorder::Out(const at::Tensor& tensor, size_t index) const {
  if (!Computed(tensor.scalar_type()) || (index < native_.size() && native_[index])) return tensor;
  return tensor.to(from_.empty() ? at::kFloat : from_.front());
}

at::Tensor PrecisionBorder::Declared(const at::Tensor& tensor, at::ScalarType declared) const {
  const auto touched = [this](at::ScalarType type) {
    return Computed(type) || std::ranges::find(from_, type) != from_.end() || (autocast_bf16_ && type == at::kFloat);
  };
  return touched(tensor.scalar_type()) && touched(declared) ? tensor.to(declared) : tensor;
}

// Whether a tensor of that type may be one of another, before the module was cast.
bool PrecisionBorder::Computed(at::ScalarType type) const {
  return (!from_.empty() && type == to_) || (autocast_bf16_ && type == at::kBFloat16);
}

}  // namespace torchferry
