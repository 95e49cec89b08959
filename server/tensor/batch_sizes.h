// The row counts that batches have.
#pragma once

#include <cstdint>
#include <vector>

namespace torchferry::tensor {

// 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on, ascending, and `most` as the last one. The sizes are few, because LibTorch
// and its libraries keep memory for each shape. They are close together, so that few rows wait for the next batch.
// Empty for 0.
std::vector<int64_t> BatchSizes(int64_t most);

}  // namespace torchferry::tensor
