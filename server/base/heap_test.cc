#include "server/base/heap.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace torchferry::base {
namespace {

constexpr int kThreads = 24;

// A sanitizer has a heap of its own. Clang tells of one by a feature, GCC by a macro.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_TEST_HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_TEST_HAS_SANITIZER
#endif
#ifdef HEAP_TEST_HAS_SANITIZER
constexpr bool kIsGlibcs = false;
#else
constexpr bool kIsGlibcs = true;
#endif

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

int CountHeaps() {
  char* text = nullptr;
  size_t length = 0;
  std::FILE* const file = open_memstream(&text, &length);
  malloc_info(0, file);
  std::fclose(file);
  int heaps = 0;
  const std::string_view info(text, length);
  for (size_t at = info.find("<heap nr="); at != std::string_view::npos; at = info.find("<heap nr=", at + 1)) ++heaps;
  std::free(text);
  return heaps;
}

// How many heaps so many threads get that allocate at the same time, in a process of their own. glibc takes the limit
// once in a process.
int HeapsOfThreads(double processors) {
  const pid_t child = fork();
  if (child == 0) {
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
    _exit(CountHeaps());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
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
TEST(HeapTest, AFreeEndGoesBackWhileItIsTrimmed) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  constexpr size_t kBlock = size_t{1} << 20;
  constexpr size_t kBlocks = 40;
  int64_t kept = 0;
  int64_t left = 0;
  std::thread thread([&] {
    FixHeapThresholds();
    const int64_t before = ResidentBytes();
    std::array<void*, kBlocks> blocks{};
    for (void*& block : blocks) {
      block = std::malloc(kBlock);
      std::memset(block, 1, kBlock);
    }
    for (void* block : blocks) std::free(block);
    kept = ResidentBytes() - before;
    const HeapEndsTrimmed trimmed;
    void* volatile block = std::malloc(kBlock);
    std::free(block);
    left = ResidentBytes() - before;
  });
  thread.join();
  EXPECT_GT(kept, static_cast<int64_t>(kBlock * kBlocks / 2));
  EXPECT_LT(left, static_cast<int64_t>(kBlock * 4));
}

TEST(HeapTest, TrimmersOverlap) {
  if (!kIsGlibcs) GTEST_SKIP() << "another allocator";
  auto first = std::make_unique<HeapEndsTrimmed>();
  const auto second = std::make_unique<HeapEndsTrimmed>();
  first.reset();
  std::thread([] {
    const int64_t before = ResidentBytes();
    void* volatile block = std::malloc(size_t{16} << 20);
    std::memset(block, 1, size_t{16} << 20);
    std::free(block);
    EXPECT_LT(ResidentBytes() - before, int64_t{4} << 20) << "the second one still trims";
  }).join();
}

}  // namespace
}  // namespace torchferry::base
