// Of how many rows batches are made.
#pragma once

#include <cstdint>
#include <vector>

namespace torchferry::tensor {

// 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on, ascending, up to `most`, which is one, too. Few, so that what LibTorch and
// its libraries keep for each shape stays small; close, so that little waits for a next batch. Empty for 0.
std::vector<int64_t> BatchSizes(int64_t most);

}  // namespace torchferry::tensor
