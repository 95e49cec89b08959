#include "server/base/deep_stack.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>

namespace torchferry::base {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Touches 32 KiB of stack in each call. ThreadSanitizer's own stack has 65,536 calls.
__attribute__((noinline)) uint64_t Recurse(uint64_t depth) {
  volatile char frame[32 * 1024];
  frame[depth % sizeof(frame)] = 1;
  return depth == 0 ? frame[0] : Recurse(depth - 1) + static_cast<uint64_t>(frame[depth % sizeof(frame)]);
}

TEST(DeepStackTest, GoesDeeperThanAThreadOfTheSystems) {
  uint64_t levels = 0;
  ASSERT_TRUE(RunOnDeepStack(256 * kMiB, "deep", [&] { levels = Recurse(4 * 1024); }).ok());
  EXPECT_EQ(levels, 4 * 1024 + 1);
}

TEST(DeepStackTest, AnExceptionReachesTheCaller) {
  EXPECT_THROW(static_cast<void>(RunOnDeepStack(kMiB, "deep", [] { throw std::runtime_error("inside"); })),
               std::runtime_error);
}

TEST(DeepStackTest, AStackThatCannotBeIsAnError) {
  bool has_run = false;
  const absl::Status status = RunOnDeepStack(SIZE_MAX / 2, "deep", [&] { has_run = true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(has_run);
}

}  // namespace
}  // namespace torchferry::base
