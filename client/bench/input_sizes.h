// The sizes of the inputs that `bench` makes up: what the model declares, and what --shape says.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/tensor/shape.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

// By the input's name; without the batch dimension.
using InputShapes = std::map<std::string, tensor::Shape>;

// Each of `texts` is NAME:3,224,224. INVALID_ARGUMENT for another text, for a name that comes twice and for one that
// the model does not declare.
absl::StatusOr<InputShapes> ParseShapes(const std::vector<std::string>& texts, const v1::ModelVersion& model);

// The whole shape of a generated input, its batch dimension of `rows` too. INVALID_ARGUMENT where sizes are missing, or
// are not those that are declared.
absl::StatusOr<tensor::Shape> SizesOf(const v1::TensorSpec& spec, const InputShapes& shapes, int64_t rows,
                                      const v1::ModelVersion& model);

}  // namespace torchferry::client
