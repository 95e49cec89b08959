#include "client/tensor/input_spec.h"

#include <algorithm>

namespace torchferry::client {

const v1::TensorSpec* FindInput(const v1::ModelVersion& model, std::string_view name) {
  const auto at = std::ranges::find(model.inputs(), name, &v1::TensorSpec::name);
  return at == model.inputs().end() ? nullptr : &*at;
}

bool IsScalar(const v1::TensorSpec& spec) {
  return spec.kind() == "int" || spec.kind() == "float" || spec.kind() == "bool" || spec.kind() == "string";
}

std::string InputNames(const v1::ModelVersion& model) {
  std::string names;
  for (const v1::TensorSpec& input : model.inputs()) names += (names.empty() ? "" : ", ") + input.name();
  return names;
}

}  // namespace torchferry::client
