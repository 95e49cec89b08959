// A forward pass at load, to see what lower precision does.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>

#include "server/model/model.h"

namespace torchferry::libtorch {

// One row that `signature` allows, with generated values: the same each time, another for another `seed`. Nothing where
// an input is not declared in full, or is a number or text (any value might be a wrong one), and where it would have
// more than limits::kMaxGeneratedBytes.
std::optional<tensor::BoundInputs> MadeUpInputs(const tensor::Signature& signature, uint64_t seed = 20240229);

// Whether an input may be of several sizes, but for its rows: then those of a generated row are a guess.
bool HasFreeSizes(const tensor::Signature& signature);

// How many rows like `row` a batch that is generated may have, for its bytes; 1 or more.
int64_t RowsWithinLimit(const tensor::BoundInputs& row);

// The largest difference of an element of a floating output from `reference`'s, over that output's largest magnitude.
// INTERNAL when their shapes differ.
absl::StatusOr<double> Deviation(const std::vector<model::Outputs>& outputs,
                                 const std::vector<model::Outputs>& reference);

}  // namespace torchferry::libtorch
