// Helpers of tests of the C library's heaps.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>

namespace torchferry::base {

// A sanitizer has an allocator of its own. Clang tells of one by a feature, GCC by a macro.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_HEAP_HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_HEAP_HAS_SANITIZER
#endif

// Whether malloc is glibc's.
#ifdef TEST_HEAP_HAS_SANITIZER
constexpr bool kIsGlibcs = false;
#else
constexpr bool kIsGlibcs = true;
#endif

// The bytes of this process that are in memory.
inline int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Runs `code` in a process of its own, with the heaps that this process has had so far. Returns its result, 0 to 255.
// To be called while there is one thread.
inline int RunInChild(const std::function<int()>& code) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int result = code();
    std::fflush(nullptr);
    _exit(result);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Whether all expectations of `test` hold in a process of its own.
inline bool PassesInChild(const std::function<void()>& test) {
  return RunInChild([&] {
           test();
           return testing::Test::HasFailure() ? 1 : 0;
         }) == 0;
}

}  // namespace torchferry::base
