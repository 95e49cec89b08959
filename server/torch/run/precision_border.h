// Converts element types at the border of a model that computes in other types than it was saved in.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <vector>

#include "server/model/model.h"
#include "server/plan/precision.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

class SavedOutputTypes;

// Clients see the types that the module was saved with: their tensors are cast on the way in, the model's on the way
// out.
class PrecisionBorder {
 public:
  // The identity.
  PrecisionBorder() = default;
  // `saved`: the module as it was saved, on the CPU, and its state. It is kept until it has run once, unless the config
  // declares the outputs' types.
  PrecisionBorder(const plan::PrecisionPlan& plan, const torch::jit::Module& saved,
                  const std::optional<ModuleState>& state, const ModelSignature& signature);

  // From now on floating inputs, of whichever type the config declares, are cast to `type` on the way in.
  void CastInputs(at::ScalarType type) { inputs_to_ = type; }

  // Called before Out, with a request that the model has answered. May run the module as it was saved, to see its
  // outputs' types.
  void Learn(const ModelSignature& signature, const tensor::BoundInputs& request) const;

  // Moves `tensor` to `device`, in the type that the model computes in; as ToDevice.
  at::Tensor In(const at::Tensor& tensor, at::Device device) const;
  // The output `index` of the module, in the type that the module would have given before it was cast.
  at::Tensor Out(const at::Tensor& tensor, size_t index) const;
  // A floating output in the type that the config declares.
  static at::Tensor Declared(const at::Tensor& tensor, at::ScalarType declared);

  bool autocast_bf16() const { return autocast_bf16_; }

 private:
  bool Computed(at::ScalarType type) const;
  at::ScalarType SavedType(at::ScalarType type, size_t index) const;

  std::vector<at::ScalarType> from_;
  at::ScalarType to_ = at::kFloat;
  std::optional<at::ScalarType> inputs_to_;
  bool autocast_bf16_ = false;
  std::vector<bool> native_;                       // NativeOutputs, where the types cannot be learned
  std::shared_ptr<SavedOutputTypes> saved_types_;  // null: nothing to learn
};

}  // namespace torchferry::libtorch
