#include "server/app/thread_plan.h"

#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

using std::chrono::microseconds;

TEST(ThreadPlanTest, AWorkerForEachWholeProcessor) {
  EXPECT_EQ(PlanThreads({}, 8).workers, 8);
  EXPECT_EQ(PlanThreads({}, 3.9).workers, 3);
}

TEST(ThreadPlanTest, AtLeastOneOfEach) {
  const ThreadPlan plan = PlanThreads({}, 0.5);
  EXPECT_EQ(plan.workers, 1);
  EXPECT_EQ(plan.processors, 1);
  EXPECT_EQ(plan.call_loops, 1);
}

TEST(ThreadPlanTest, WorkersShareTheProcessorsThatTheirOperatorsUse) {
  ServerFlags flags;
  flags.intra_op_threads = 3;
  const ThreadPlan plan = PlanThreads(flags, 8);
  EXPECT_EQ(plan.workers, 2);
  EXPECT_EQ(plan.processors, 6);
}

TEST(ThreadPlanTest, AnOperatorMayUseMoreThreadsThanThereAreProcessors) {
  ServerFlags flags;
  flags.intra_op_threads = 16;
  EXPECT_EQ(PlanThreads(flags, 8).workers, 1);
  EXPECT_EQ(PlanThreads(flags, 8).processors, 16);
}

TEST(ThreadPlanTest, FlagsGoBeforeTheProcessors) {
  ServerFlags flags;
  flags.workers = 5;
  flags.grpc_threads = 7;
  const ThreadPlan plan = PlanThreads(flags, 1);
  EXPECT_EQ(plan.workers, 5);
  EXPECT_EQ(plan.call_loops, 7);
}

TEST(ThreadPlanTest, ACallLoopForEachFourProcessors) {
  EXPECT_EQ(PlanThreads({}, 7.9).call_loops, 1);
  EXPECT_EQ(PlanThreads({}, 8).call_loops, 2);
  EXPECT_EQ(PlanThreads({}, 64).call_loops, 16);
}

TEST(ThreadPlanTest, PollsOnlyWhereThereAreTwoProcessors) {
  ServerFlags flags;
  flags.busy_poll_microseconds = 40;
  EXPECT_EQ(PlanThreads(flags, 1.9).busy_poll, microseconds(0));
  EXPECT_EQ(PlanThreads(flags, 2).busy_poll, microseconds(40));
}

}  // namespace
}  // namespace torchferry::app
