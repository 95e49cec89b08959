#include "server/base/give_back_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <latch>
#include <thread>
#include <vector>

#include "server/base/test_heap.h"

namespace torchferry::base {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kThreads = 4;
constexpr size_t kBytes = 48 * kMiB;  // of each thread at a time
constexpr auto kAll = static_cast<int64_t>(kThreads * kBytes);
constexpr int kPasses = 8;

// As forward passes do: large blocks of many sizes, written and freed, beside small ones that outlive them.
void UseMemory(size_t seed, std::vector<void*>& small) {
  size_t state = seed;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::vector<volatile char*> blocks;
    for (size_t used = 0; used < kBytes;) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      const size_t size = (size_t{1} + (state >> 33) % 20) * kMiB;
      used += size;
      auto* const block = static_cast<volatile char*>(std::malloc(size));
      for (size_t byte = 0; byte < size; byte += 1024) block[byte] = 1;
      blocks.push_back(block);
      small.push_back(std::malloc(3000));
    }
    for (volatile char* block : blocks) std::free(const_cast<char*>(block));
  }
}

void UseThreadsAndGiveBack() {
  // glibc maps what is larger than the largest block that it has seen freed.
  void* volatile large = std::malloc(31 * kMiB);
  std::free(large);
  GiveBackMemory();
  const int64_t before = ResidentBytes();
  std::latch together(kThreads);
  std::vector<std::vector<void*>> small(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      UseMemory(i, small[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_GE(ResidentBytes() - before, kAll / 2) << "glibc keeps it";
  GiveBackMemory();
  EXPECT_LE(ResidentBytes() - before, kAll / 16);
  for (const std::vector<void*>& blocks : small) {
    for (void* block : blocks) std::free(block);
  }
}

TEST(GiveBackMemoryTest, WhatEndedThreadsHadIsTheSystemsAgain) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  EXPECT_TRUE(PassesInChild(UseThreadsAndGiveBack));
}

}  // namespace
}  // namespace torchferry::base
