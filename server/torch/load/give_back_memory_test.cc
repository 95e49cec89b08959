#include "server/torch/load/give_back_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <latch>
#include <thread>
#include <vector>

#include "server/host/host.h"

namespace torchferry::libtorch {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kThreads = 4;
constexpr size_t kBlocks = 24;

// As a forward pass does: large blocks, written and freed.
void UseMemory() {
  std::vector<volatile char*> blocks;
  for (size_t i = 0; i < kBlocks; ++i) {
    auto* const block = static_cast<volatile char*>(std::malloc(2 * kMiB));
    for (size_t byte = 0; byte < 2 * kMiB; byte += 1024) block[byte] = 1;
    blocks.push_back(block);
  }
  for (volatile char* block : blocks) std::free(const_cast<char*>(block));
}

TEST(GiveBackMemoryTest, WhatEndedThreadsHadIsTheSystemsAgain) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has a heap of its own";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer has a heap of its own";
#endif
#endif
  // glibc maps what is larger than the largest block that it has seen freed.
  void* volatile large = std::malloc(31 * kMiB);
  std::free(large);
  GiveBackMemory();
  const uint64_t before = host::ReadProcessUsage().resident_bytes;
  std::latch together(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      together.arrive_and_wait();
      UseMemory();
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_GE(host::ReadProcessUsage().resident_bytes, before + kThreads * kBlocks * kMiB) << "glibc keeps it";
  GiveBackMemory();
  EXPECT_LE(host::ReadProcessUsage().resident_bytes, before + kThreads * kBlocks * kMiB / 4);
}

}  // namespace
}  // namespace torchferry::libtorch
