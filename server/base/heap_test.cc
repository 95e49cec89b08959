#include "server/base/heap.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/test_heap.h"

namespace torchferry::base {
namespace {

constexpr int kThreads = 24;

// How many heaps so many threads get that allocate at the same time, in a process of their own. glibc takes the limit
// once in a process.
int HeapsOfThreads(double processors) {
  return RunInChild([&] {
    if (processors > 0) SetUpHeaps(processors);
    std::latch all(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        void* volatile block = std::malloc(100'000);
        all.arrive_and_wait();
        std::free(block);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return CountHeaps();
  });
}

TEST(HeapTest, TwoForEachProcessorAndAtLeastFour) {
  EXPECT_EQ(HeapsFor(0.5), 4);
  EXPECT_EQ(HeapsFor(2), 4);
  EXPECT_EQ(HeapsFor(2.5), 6);
  EXPECT_EQ(HeapsFor(64), 128);
  EXPECT_EQ(HeapsFor(1e9), 2048);
}

TEST(HeapTest, ThreadsShareTheHeaps) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  unsetenv("MALLOC_ARENA_MAX");
  EXPECT_GT(HeapsOfThreads(0), 5) << "glibc alone makes more";
  EXPECT_LE(HeapsOfThreads(1), 4);
}

TEST(HeapTest, TheUsersNumberStays) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  setenv("MALLOC_ARENA_MAX", "20", 1);  // glibc itself has read it when the process began
  EXPECT_GT(HeapsOfThreads(1), 5);
  unsetenv("MALLOC_ARENA_MAX");
}

// A thread's heap keeps the end that its blocks have left, and gives it back while somebody trims.
void FreeAnEndAndTrimIt() {
  constexpr size_t kBlock = size_t{1} << 20;
  constexpr size_t kBlocks = 40;
  FixHeapThresholds();
  const int64_t before = ResidentBytes();
  std::array<void*, kBlocks> blocks{};
  for (void*& block : blocks) {
    block = std::malloc(kBlock);
    std::memset(block, 1, kBlock);
  }
  for (void* block : blocks) std::free(block);
  EXPECT_GT(ResidentBytes() - before, static_cast<int64_t>(kBlock * kBlocks / 2));
  const HeapEndsTrimmed trimmed;
  void* volatile block = std::malloc(kBlock);
  std::free(block);
  EXPECT_LT(ResidentBytes() - before, static_cast<int64_t>(kBlock * 4));
}

TEST(HeapTest, AFreeEndGoesBackWhileItIsTrimmed) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  EXPECT_TRUE(PassesInChild([] { std::thread(FreeAnEndAndTrimIt).join(); }));
}

void FreeABlock(size_t bytes) {
  const int64_t before = ResidentBytes();
  void* volatile block = std::malloc(bytes);
  std::memset(block, 1, bytes);
  std::free(block);
  EXPECT_LT(ResidentBytes() - before, static_cast<int64_t>(bytes / 4)) << "the second one still trims";
}

TEST(HeapTest, TrimmersOverlap) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  EXPECT_TRUE(PassesInChild([] {
    auto first = std::make_unique<HeapEndsTrimmed>();
    const auto second = std::make_unique<HeapEndsTrimmed>();
    first.reset();
    std::thread(FreeABlock, size_t{16} << 20).join();
  }));
}

}  // namespace
}  // namespace torchferry::base
