// A model's signature, from `forward`'s schema and the configuration.
#pragma once

#include <ATen/core/function_schema.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/signature.h"
#include "server/torch/graph/argument_tree.h"

namespace torchferry::libtorch {

// The argument that an input is, or is a part of, and how its shape changes on the way.
struct InputBinding {
  size_t argument = 0;                       // index into the schema's arguments without `self`
  std::optional<tensor::Shape> model_shape;  // config's `reshape`, the batch dimension included as kAnyDim
};

// An output that the config declares.
struct OutputBinding {
  std::string name;
  size_t result = 0;  // index into forward's results; a dict's entry is found by name
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;                       // what the client gets, the batch dimension included as kAnyDim
  std::optional<tensor::Shape> model_shape;  // with `reshape`: what the model gives
  std::string source = "config.pbtxt";       // what declares it, for messages
};

// How a declared output is matched to a result of forward: by the number in its name if all have one, or by its place.
enum class OutputOrder { kByName, kByPlace };

struct ModelSignature {
  tensor::Signature signature;
  std::vector<InputBinding> inputs;      // one for each of signature.inputs
  std::vector<OutputBinding> outputs;    // empty when the config declares none
  std::vector<c10::Argument> arguments;  // forward's, without `self`
  std::vector<ArgumentNode> trees;       // one for each of `arguments`
  std::vector<std::string> decisions;    // a sentence for each argument that cannot be sent
};

// The config names the inputs when it declares any: by the argument's own name, by Triton's NAME__INDEX, else by order.
// Otherwise the schema names them. Outputs that are all called NAME__INDEX are the results of forward with these
// numbers. Other outputs are the results in order, and those of a dict have its keys. FAILED_PRECONDITION for an
// argument or a result of a type that cannot be sent, and for a config that does not fit the schema. Messages name the
// argument and what it may be. A tuple, dict or list argument becomes an input for each part, see MakeArgumentTree.
// `graph`, a ReachableGraph of forward, tells which keys the code reads of a dict. Where the only argument is a dict
// and no declared name begins with the argument's, the declared names are its keys, as for Triton. An argument with a
// default or an Optional that cannot be sent is no input. With kByPlace the config was generated from the results: each
// result has an output.
absl::StatusOr<ModelSignature> MakeSignature(const c10::FunctionSchema& schema, const config::ModelConfig& config,
                                             const torch::jit::Graph* graph = nullptr,
                                             OutputOrder order = OutputOrder::kByName);

// Whether `graph` would tell MakeSignature anything: an argument holds a dict.
bool HasDicts(const c10::FunctionSchema& schema);

}  // namespace torchferry::libtorch
