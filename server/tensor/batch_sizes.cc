#include "server/tensor/batch_sizes.h"

namespace torchferry::tensor {

std::vector<int64_t> BatchSizes(int64_t most) {
  std::vector<int64_t> sizes;
  for (int64_t power = 1; power < most; power *= 2) {
    sizes.push_back(power);
    if (const int64_t between = power + power / 2; power > 1 && between < most) sizes.push_back(between);
  }
  if (most > 0) sizes.push_back(most);
  return sizes;
}

}  // namespace torchferry::tensor
