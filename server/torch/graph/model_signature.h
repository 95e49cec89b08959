// A model's signature, from `forward`'s schema and the configuration.
#pragma once

#include <ATen/core/function_schema.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/signature.h"

namespace torchferry::libtorch {

// Which argument an input goes to, and what happens to its shape on the way.
struct InputBinding {
  size_t argument = 0;                       // index into the schema's arguments without `self`
  std::optional<tensor::Shape> model_shape;  // config's `reshape`, the batch dimension included as kAnyDim
};

// An output that the config declares.
struct OutputBinding {
  std::string name;
  size_t result = 0;  // index into what forward gives; of a dict's entry the name counts
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;                       // what the client gets, the batch dimension included as kAnyDim
  std::optional<tensor::Shape> model_shape;  // with `reshape`: what the model gives
};

struct ModelSignature {
  tensor::Signature signature;
  std::vector<InputBinding> inputs;      // one for each of signature.inputs
  std::vector<OutputBinding> outputs;    // empty when the config declares none
  std::vector<c10::Argument> arguments;  // forward's, without `self`
};

// Inputs are named by the config when it declares any: by the argument's own name, by Triton's NAME__INDEX, else by
// order; otherwise by the schema. Outputs that are all called NAME__INDEX are these results of forward, others are the
// results in order, and those of a dict have its keys. FAILED_PRECONDITION for an argument or a result of a type that
// cannot be sent, and for a config that does not fit the schema; messages name the argument and what it may be.
absl::StatusOr<ModelSignature> MakeSignature(const c10::FunctionSchema& schema, const config::ModelConfig& config);

}  // namespace torchferry::libtorch
