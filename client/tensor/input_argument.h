// Turns one input of `predict`, NAME[:DTYPE]=VALUE, into the tensor that the model declares.
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

// A declared name may itself end in ":FP32". INVALID_ARGUMENT for a text without "=" or without a name.
absl::StatusOr<InputArgument> ParseInputArgument(std::string_view text, const v1::ModelVersion& model);

struct ResolvedInput {
  Array array;
  // Changes to the value that the user did not ask for: "cast float64 → FP32".
  std::vector<std::string> notes;
};

struct InputSources {
  // Reads the bytes of "@FILE"; "-" is standard input.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_file;
  std::mt19937_64* random = nullptr;
};

// The dtype is the argument's own, else the declared one, else the value's. A value that lacks only the batch dimension
// gets one of 1. The server reports any other mismatch with the declared shape. Errors name the input:
// INVALID_ARGUMENT, and the errors of reading the file.
absl::StatusOr<ResolvedInput> ResolveInput(const InputArgument& argument, const v1::ModelVersion& model,
                                           const InputSources& sources);

// Puts a dimension of 1 in front of the shape of input `name` if only the batch dimension is missing from the declared
// shape. Returns whether it did.
bool AddBatchDimension(const v1::ModelVersion& model, std::string_view name, tensor::Shape* shape);

}  // namespace torchferry::client
