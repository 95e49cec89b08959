// The inputs that a model declares.
#pragma once

#include <string>
#include <string_view>

#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

// Null when the model declares no input of that name.
const v1::TensorSpec* FindInput(const v1::ModelVersion& model, std::string_view name);

// Whether it is an int, a float or a bool, which has no batch dimension.
bool IsScalar(const v1::TensorSpec& spec);

std::string InputNames(const v1::ModelVersion& model);  // "x, y"

}  // namespace torchferry::client
