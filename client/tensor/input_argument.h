// One input of `predict`, NAME[:DTYPE]=VALUE, turned into the tensor that the model declares.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "client/tensor/array.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

struct InputArgument {
  std::string name;
  std::optional<tensor::DType> dtype;  // as written
  std::string value;                   // @FILE, random, random[2,3] or JSON
};

// A name that the model has may itself end in ":FP32". INVALID_ARGUMENT for what has no "=" or no
// name.
absl::StatusOr<InputArgument> ParseInputArgument(std::string_view text, const v1::ModelVersion& model);

struct ResolvedInput {
  Array array;
  // What was done to the value without being asked: "cast float64 → FP32".
  std::vector<std::string> notes;
};

struct InputSources {
  // The bytes of "@FILE"; "-" is standard input.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_file;
  std::mt19937_64* random = nullptr;
};

// The dtype is the argument's own, else the declared one, else the value's. A value that lacks just
// the batch dimension gets one of 1. Any other disagreement with the declared shape is left for the
// server to tell. Errors name the input: INVALID_ARGUMENT, and what reading the file gave.
absl::StatusOr<ResolvedInput> ResolveInput(const InputArgument& argument, const v1::ModelVersion& model,
                                           const InputSources& sources);

// Puts a dimension of 1 in front of the shape of input `name` when that is the declared one but for
// its batch dimension; whether it did.
bool AddBatchDimension(const v1::ModelVersion& model, std::string_view name, tensor::Shape* shape);

}  // namespace torchferry::client
