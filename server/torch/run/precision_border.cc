#include "server/torch/run/precision_border.h"

#include <algorithm>

#include "server/torch/device/convert.h"
#include "server/torch/device/staging.h"
#include "server/torch/graph/native_outputs.h"
#include "server/torch/run/saved_output_types.h"

namespace torchferry::libtorch {

namespace {

// The floating types of models, unlike those that only store.
bool IsComputedIn(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16 || type == at::kDouble;
}

bool DeclaresAllTypes(const ModelSignature& signature) {
  return !signature.outputs.empty() && std::ranges::all_of(signature.outputs, [](const OutputBinding& output) {
    return output.dtype != tensor::DType::kInvalid;
  });
}

}  // namespace

PrecisionBorder::PrecisionBorder(const plan::PrecisionPlan& plan, const torch::jit::Module& saved,
                                 const std::optional<ModuleState>& state, const ModelSignature& signature)
    : to_(ToTorch(plan.to).value_or(at::kFloat)), autocast_bf16_(plan.autocast_bf16) {
  for (const tensor::DType type : plan.from) from_.push_back(ToTorch(type).value());
  if (!plan.changes() || DeclaresAllTypes(signature)) return;
  native_ = NativeOutputs(saved, signature, from_.empty() ? at::kBFloat16 : to_);
  saved_types_ = std::make_shared<SavedOutputTypes>(saved, state);
}

void PrecisionBorder::Learn(const ModelSignature& signature, const tensor::BoundInputs& request) const {
  if (saved_types_ != nullptr) saved_types_->Learn(signature, request);
}

at::Tensor PrecisionBorder::In(const at::Tensor& tensor, at::Device device) const {
  at::ScalarType type = tensor.scalar_type();
  if (std::ranges::find(from_, type) != from_.end()) type = to_;
  if (inputs_to_.has_value() && IsComputedIn(type)) type = *inputs_to_;
  return ToDevice(tensor, device, type);
}

at::Tensor PrecisionBorder::Out(const at::Tensor& tensor, size_t index) const {
  // Where the config declares the types, Declared casts, once.
  if (saved_types_ == nullptr || !Computed(tensor.scalar_type())) return tensor;
  return tensor.to(SavedType(tensor.scalar_type(), index));
}

at::ScalarType PrecisionBorder::SavedType(at::ScalarType type, size_t index) const {
  if (index < saved_types_->types().size()) {
    const at::ScalarType saved = saved_types_->types()[index];
    return at::isFloatingType(saved) ? saved : type;
  }
  const bool is_native = index < native_.size() && native_[index];
  return is_native ? type : from_.empty() ? at::kFloat : from_.front();
}

at::Tensor PrecisionBorder::Declared(const at::Tensor& tensor, at::ScalarType declared) {
  return IsComputedIn(tensor.scalar_type()) && IsComputedIn(declared) ? tensor.to(declared) : tensor;
}

// Whether a tensor of that type may be one of another, before the module was cast.
bool PrecisionBorder::Computed(at::ScalarType type) const {
  return (!from_.empty() && type == to_) || (autocast_bf16_ && type == at::kBFloat16);
}

}  // namespace torchferry::libtorch
