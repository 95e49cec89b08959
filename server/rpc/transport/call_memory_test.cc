#include "server/rpc/transport/call_memory.h"

#include <gtest/gtest.h>

namespace torchferry::rpc {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(PlanMemoryTest, TakesAQuarterOfWhatThereIs) {
  const MemoryPlan plan = PlanMemory(0, 16384 * kMiB, 64 * kMiB);
  EXPECT_EQ(plan.budget, 4096 * kMiB);
  EXPECT_EQ(plan.connection, 1024 * kMiB);
  EXPECT_EQ(plan.unparsed, 2048 * kMiB);
  EXPECT_EQ(plan.unfinished, 1024 * kMiB);
}

TEST(PlanMemoryTest, AFlagDecides) { EXPECT_EQ(PlanMemory(777 * kMiB, 16384 * kMiB, 1 * kMiB).budget, 777 * kMiB); }

TEST(PlanMemoryTest, TheLargestMessageAlwaysFits) {
  for (const int64_t budget : {int64_t{0}, int64_t{1}}) {
    const MemoryPlan plan = PlanMemory(budget, 128 * kMiB, 64 * kMiB);
    EXPECT_GE(plan.budget / 8 * 7, 4 * 64 * kMiB);
    EXPECT_GE(plan.connection, 4 * 64 * kMiB);
    EXPECT_GE(plan.unparsed, 2 * 64 * kMiB);
    EXPECT_GE(plan.unfinished, 96 * kMiB);
    EXPECT_LT(plan.unfinished, plan.unparsed);
    EXPECT_LE(plan.connection, plan.budget);
  }
}

TEST(PlanMemoryTest, UnknownMemoryIsTakenForLittle) { EXPECT_EQ(PlanMemory(0, 0, kMiB).budget, 512 * kMiB); }

}  // namespace
}  // namespace torchferry::rpc
