// The inputs of `bench`: inputs that are not given are generated.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/tensor/request_inputs.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

struct BenchInputs {
  std::vector<std::string> inputs;     // NAME[:DTYPE]=VALUE, as `predict` takes them; "random" with its sizes
  std::vector<std::string> generated;  // names of the inputs that were not given
};

// Returns `given`, followed by each other declared input that is not optional, as NAME=random[SIZES]. The sizes are the
// declared ones, or those of `shapes` (NAME:3,224,224, without the batch dimension). `rows` is the batch dimension. A
// given "NAME=random" gets its sizes likewise. INVALID_ARGUMENT where sizes are missing, or do not match the declared
// ones.
absl::StatusOr<BenchInputs> CompleteInputs(const std::vector<std::string>& given,
                                           const std::vector<std::string>& shapes, int64_t rows,
                                           const v1::ModelVersion& model);

// The rows of a request with these inputs; 1 where the model does not batch. INVALID_ARGUMENT where the inputs
// disagree, or do not have the `wanted` rows.
absl::StatusOr<int64_t> RowsOf(const NamedArrays& inputs, std::optional<int64_t> wanted, const v1::ModelVersion& model);

}  // namespace torchferry::client
