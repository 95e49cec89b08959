#include "server/batching/lone_batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;

LatencyPoint PointOf(int threads) {
  return {.max_rows = 2, .threads = threads, .expected = milliseconds(20), .expected_without = milliseconds(40)};
}

struct Case {
  std::string name;
  int point_threads;
  LoneFacts facts;
  int threads;
};

TEST(LoneThreadsTest, ABatchThatIsAloneGetsWhatIsFree) {
  const std::vector<Case> cases = {
      {"idle host", 8, {.free_threads = 8}, 8},
      {"more free than pays", 4, {.free_threads = 64}, 4},
      {"fewer free than pays", 8, {.free_threads = 6}, 6},
      {"two rows are small, too", 8, {.rows = 2, .free_threads = 8}, 8},
      {"three rows are not", 8, {.rows = 3, .free_threads = 8}, 0},
      {"others wait", 8, {.others_wait = true, .free_threads = 8}, 0},
      {"it waited for a worker to wake", 8, {.waited = milliseconds(4), .free_threads = 8}, 8},
      {"it waited for a batch", 8, {.waited = milliseconds(10), .free_threads = 8}, 0},
      {"others run: half stays free", 8, {.others_run = true, .free_threads = 8}, 4},
      {"others run, one is free", 2, {.others_run = true, .free_threads = 1}, 0},
      {"another variant with one thread", 1, {.others_run = true, .free_threads = 1}, 1},
      {"no more than under load", 4, {.others_run = true, .threads = 2, .free_threads = 4}, 0},
  };
  for (const Case& one : cases) EXPECT_EQ(LoneThreads(PointOf(one.point_threads), one.facts), one.threads) << one.name;
}

// With 64 processors and requests that come one after another, each finds threads.
TEST(LoneThreadsTest, AsRequestsComeTheSharesShrinkUntilEachHasOne) {
  int free = 64;
  std::vector<int> shares;
  while (free > 0) {
    const int threads = LoneThreads(PointOf(16), {.others_run = !shares.empty(), .threads = 1, .free_threads = free});
    shares.push_back(threads == 0 ? 1 : threads);
    free -= shares.back();
  }
  EXPECT_EQ(shares, (std::vector<int>{16, 16, 16, 8, 4, 2, 1, 1}));
}

TEST(ThreadTrialTest, WhileItPaysItIsUsed) {
  ThreadTrial trial;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(trial.MayRun());
    trial.RecordRun(IsTooSlow(PointOf(2), milliseconds(22)));
  }
}

// How many of `batches` run at the latency point, where each such batch takes `took`.
int RunsOf(ThreadTrial& trial, int batches, base::Duration took) {
  int runs = 0;
  for (int i = 0; i < batches; ++i) {
    if (!trial.MayRun()) continue;
    ++runs;
    trial.RecordRun(IsTooSlow(PointOf(2), took));
  }
  return runs;
}

TEST(ThreadTrialTest, ABusyProcessorMakesItRare) {
  ThreadTrial trial;
  EXPECT_LE(RunsOf(trial, 1000, milliseconds(500)), 12);
}

TEST(ThreadTrialTest, ItComesBackWhenTheProcessorIsFree) {
  ThreadTrial trial;
  RunsOf(trial, 10000, milliseconds(500));
  EXPECT_GE(RunsOf(trial, 1000, milliseconds(22)), 700);
}

TEST(ThreadTrialTest, OneDisturbedBatchCostsOne) {
  ThreadTrial trial;
  trial.RecordRun(IsTooSlow(PointOf(2), milliseconds(60)));
  EXPECT_FALSE(trial.MayRun());
  EXPECT_TRUE(trial.MayRun());
}

TEST(ThreadTrialTest, WithNothingToCompareWithItIsUsed) {
  ThreadTrial trial;
  LatencyPoint point = PointOf(2);
  point.expected_without = base::Duration::zero();
  trial.RecordRun(IsTooSlow(point, milliseconds(500)));
  EXPECT_TRUE(trial.MayRun());
}

TEST(RowPaceTest, FarFromTheBestIsTooSlow) {
  RowPace pace;
  EXPECT_FALSE(pace.RecordRun(milliseconds(80), 8));
  EXPECT_FALSE(pace.RecordRun(milliseconds(20), 1)) << "a row alone costs more";
  EXPECT_TRUE(pace.RecordRun(milliseconds(160), 8));
  EXPECT_FALSE(pace.RecordRun(milliseconds(130), 8)) << "others run beside it";
  EXPECT_FALSE(pace.RecordRun(milliseconds(100), 10)) << "about as many rows";
  EXPECT_TRUE(pace.RecordRun(milliseconds(40), 1));
}

TEST(RowPaceTest, WhatIsSlowForLongBecomesTheRule) {
  RowPace pace;
  pace.RecordRun(milliseconds(10), 1);
  bool is_too_slow = true;
  for (int i = 0; i < 200; ++i) is_too_slow = pace.RecordRun(milliseconds(50), 1);
  EXPECT_FALSE(is_too_slow);
}

}  // namespace
}  // namespace torchferry::batching
