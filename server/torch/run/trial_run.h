// A forward pass at load, to see what lower precision does.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>

#include "server/model/model.h"

namespace torchferry::libtorch {

// One row that `signature` allows, with generated values that depend only on `seed`. Nothing where an input is not
// declared in full, or is a number or text, because any value might be wrong. Nothing also where the row would have
// more than limits::kMaxGeneratedBytes.
std::optional<tensor::BoundInputs> MadeUpInputs(const tensor::Signature& signature, uint64_t seed = 20240229);

// Whether an input may have several sizes, apart from its rows. The sizes of a generated row are then a guess.
bool HasFreeSizes(const tensor::Signature& signature);

// Max rows like `row` that a generated batch may have, by its bytes; 1 or more.
int64_t RowsWithinLimit(const tensor::BoundInputs& row);

// The largest difference between an element of a floating output and `reference`'s, divided by that output's largest
// magnitude. INTERNAL when their shapes differ.
absl::StatusOr<double> Deviation(const std::vector<model::Outputs>& outputs,
                                 const std::vector<model::Outputs>& reference);

}  // namespace torchferry::libtorch
