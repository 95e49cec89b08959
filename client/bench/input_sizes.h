// The sizes of the inputs that `bench` generates: the declared ones, or those of --shape.
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

// Each of `texts` is NAME:3,224,224. INVALID_ARGUMENT for another form, for a name that is given twice, and for one
// that the model does not declare.
absl::StatusOr<InputShapes> ParseShapes(const std::vector<std::string>& texts, const v1::ModelVersion& model);

// The whole shape of a generated input, with `rows` as its batch dimension. INVALID_ARGUMENT where sizes are missing,
// or do not match the declared ones.
absl::StatusOr<tensor::Shape> SizesOf(const v1::TensorSpec& spec, const InputShapes& shapes, int64_t rows,
                                      const v1::ModelVersion& model);

}  // namespace torchferry::client
