// A batch in parts. Every request is in exactly one of them, and they keep their order.
#pragma once

#include <cstdint>
#include <vector>

#include "server/serving/predict_task.h"

namespace torchferry::serving {

// Of all its requests.
int64_t RowsIn(const Batch& batch);

// `first`, then `second`.
std::vector<Batch> InOrder(Batch first, Batch second);

// By requests, not rows; of an odd number the first half has one more. `batch` has two or more.
std::vector<Batch> Halves(Batch batch);

// Each request alone.
std::vector<Batch> Singles(Batch batch);

// Leaves the first requests in `batch`, as many as have `rows` rows together but at least one, and gives the others.
// `batch` is not empty.
Batch TakeAfter(Batch& batch, int64_t rows);

}  // namespace torchferry::serving
