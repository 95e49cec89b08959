// All inputs of one request, from the command line.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/tensor/array.h"
#include "client/text/console.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

// The tensors of `arguments`, each NAME[:DTYPE]=VALUE, in order. Changes to them are noted on the console, whose input
// "@-" reads. `seed` makes random values the same each time. ResolveInput's errors, and INVALID_ARGUMENT for an input
// that is given twice.
absl::StatusOr<NamedArrays> ResolveInputs(const std::vector<std::string>& arguments, std::optional<uint64_t> seed,
                                          const v1::ModelVersion& model, const Console& console);

}  // namespace torchferry::client
