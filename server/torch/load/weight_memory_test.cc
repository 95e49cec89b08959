#include "server/torch/load/weight_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "server/base/give_back_memory.h"

namespace torchferry::libtorch {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Of this process: how many mappings have been advised to use large pages.
int AdvisedMappings() {
  std::ifstream file("/proc/self/smaps");
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("VmFlags:")) continue;
    std::istringstream flags(line);
    for (std::string flag; flags >> flag;) count += flag == "hg" ? 1 : 0;
  }
  return count;
}

TEST(WeightMemoryTest, BlocksOfAllSizesCanBeWrittenWhole) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, 2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 7 * kMiB + 3}) {
    c10::DataPtr block = AllocateWeights(bytes);
    if (bytes == 0) continue;
    std::memset(block.get(), 0x5a, bytes);
    EXPECT_EQ(static_cast<const char*>(block.get())[bytes - 1], 0x5a) << bytes;
    EXPECT_TRUE(block.device().is_cpu());
  }
}

TEST(WeightMemoryTest, LargeBlocksBeginWhereALargePageDoes) {
  for (int i = 0; i < 8; ++i) {
    const c10::DataPtr block = AllocateWeights(3 * kMiB);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.get()) % (2 * kMiB), 0);
  }
}

TEST(WeightMemoryTest, NoAdviceIsLeftBehind) {
  base::GiveBackMemory();  // from then on the heap has blocks of up to 32 MiB
  const int before = AdvisedMappings();
  {
    std::vector<c10::DataPtr> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(AllocateWeights(4 * kMiB));
    for (const c10::DataPtr& block : blocks) std::memset(block.get(), 1, 4 * kMiB);
  }
  EXPECT_EQ(AdvisedMappings(), before);
}

TEST(WeightMemoryTest, WhatIsNotToBeHadIsAnErrorOfLibTorch) {
  EXPECT_ANY_THROW(AllocateWeights(uint64_t{1} << 62));
  EXPECT_ANY_THROW(AllocateWeights(~uint64_t{0} - 5));
}

}  // namespace
}  // namespace torchferry::libtorch
