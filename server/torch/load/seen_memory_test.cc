#include "server/torch/load/seen_memory.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace torchferry::libtorch {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(SeenMemoryTest, WhatIsThereAtTheSameTimeCounts) {
  const SeenMemory seen;
  for (int i = 0; i < 3; ++i) torch::empty({kMiB}, at::kByte);
  EXPECT_GE(seen.max_bytes(), kMiB);
  EXPECT_LT(seen.max_bytes(), 2 * kMiB) << "one after another";
  const at::Tensor a = torch::empty({kMiB}, at::kByte);
  const at::Tensor b = torch::empty({2 * kMiB}, at::kByte);
  EXPECT_GE(seen.max_bytes(), 3 * kMiB);
}

TEST(SeenMemoryTest, WhatCameBeforeAndAfterDoesNot) {
  const at::Tensor before = torch::empty({kMiB}, at::kByte);
  int64_t most = 0;
  {
    const SeenMemory seen;
    most = seen.max_bytes();
  }
  EXPECT_EQ(most, 0);
}

}  // namespace
}  // namespace torchferry::libtorch
