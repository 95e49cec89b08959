// Splits a request's rows into pieces, for a device that has no memory for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "server/model/model.h"
#include "server/tensor/signature.h"

namespace torchferry::serving {

// Rows [begin, begin + count) of each tensor of `inputs`, as views; scalar arguments stay. The model has a batch
// dimension.
tensor::BoundInputs RowsOf(const tensor::Signature& signature, const tensor::BoundInputs& inputs, int64_t begin,
                           int64_t count);

// The pieces' outputs, joined along dimension 0, in bytes of their own. INTERNAL when their shapes do not fit together.
absl::StatusOr<model::Outputs> JoinRows(const std::vector<model::Outputs>& pieces);

}  // namespace torchferry::serving
