// Splits a batch into parts. Each request is in exactly one part, and they keep their order.
#pragma once

#include <cstdint>
#include <vector>

#include "server/serving/predict_task.h"

namespace torchferry::serving {

// The sum over all its requests.
int64_t RowsIn(const Batch& batch);

// `first`, then `second`.
std::vector<Batch> InOrder(Batch first, Batch second);

// Splits by requests, not rows; with an odd number the first half has one more. `batch` has two or more.
std::vector<Batch> Halves(Batch batch);

// One batch for each request.
std::vector<Batch> Singles(Batch batch);

// Leaves the first requests in `batch`, at least one, while they have at most `rows` rows together. Returns the others.
// `batch` is not empty.
Batch TakeAfter(Batch& batch, int64_t rows);

}  // namespace torchferry::serving
