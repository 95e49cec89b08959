#include "client/bench/bench_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::Pair;

const BenchTime kStart = BenchTime() + std::chrono::hours(1);
const BenchWindow kWindow{kStart, kStart + std::chrono::seconds(1)};

BenchTime At(int ms) { return kStart + milliseconds(ms); }

v1::Execution On(const std::string& device) {
  v1::Execution execution;
  execution.set_device(device);
  execution.set_batch_rows(4);
  return execution;
}

TEST(BenchStatsTest, WarmUpCountsForTheThroughputOnly) {
  BenchStats stats(kWindow);
  stats.AddAnswer(At(-10), At(-5), On("cpu"));    // before
  stats.AddAnswer(At(-10), At(5), On("cpu"));     // came inside
  stats.AddAnswer(At(10), At(20), On("cpu"));     // inside
  stats.AddAnswer(At(990), At(1500), On("cpu"));  // due inside
  EXPECT_EQ(stats.AnswersPerSecond(), 2);
  EXPECT_EQ(stats.ok(), 2u);
  EXPECT_EQ(stats.latencies().Max(), milliseconds(510));
  EXPECT_THAT(stats.server().devices.counts(), ElementsAre(Pair("cpu", 2)));
  EXPECT_EQ(stats.server().batch_rows, 8);
}

TEST(BenchStatsTest, CountsErrorsByCodeAndKeepsTheFirst) {
  BenchStats late(kWindow);
  BenchStats early(kWindow);
  const auto unavailable = absl::StatusCode::kUnavailable;
  const auto internal = absl::StatusCode::kInternal;
  late.AddError(At(20), At(30), unavailable, [] { return absl::UnavailableError("late"); });
  late.AddError(At(20), At(31), unavailable, [] { return absl::UnavailableError("later"); });
  early.AddError(At(1), At(2), internal, [] { return absl::InternalError("raised"); });
  early.AddError(At(1), At(3), unavailable, [] { return absl::UnavailableError("early"); });
  early.AddError(At(-1), At(3), unavailable, [] { return absl::UnavailableError("in the warm-up"); });
  late.Merge(early);
  ASSERT_EQ(late.errors().size(), 2u);
  EXPECT_EQ(late.errors()[0].first, absl::InternalError("raised"));
  EXPECT_EQ(late.errors()[1].first, absl::UnavailableError("early"));
  EXPECT_EQ(late.errors()[1].count(), 3u);
  EXPECT_EQ(late.errors()[1].latencies.Min(), milliseconds(2));
  EXPECT_EQ(late.errors()[1].latencies.Max(), milliseconds(11));
  EXPECT_EQ(late.failed(), 4u);
  EXPECT_EQ(late.ok(), 0u);
}

TEST(BenchStatsTest, AStepThatWasCutShortIsAsLongAsItWas) {
  BenchStats stats(kWindow);
  stats.AddAnswer(At(10), At(20), On("cpu"));
  stats.EndAt(At(500));
  EXPECT_EQ(stats.AnswersPerSecond(), 2);
  stats.EndAt(At(900));
  EXPECT_EQ(stats.Seconds(), 0.5);
  stats.EndAt(At(-100));
  EXPECT_EQ(stats.AnswersPerSecond(), 0);
}

TEST(BenchStatsTest, WhatWasNotSentCountsInsideTheWindow) {
  BenchStats stats(kWindow);
  stats.AddNotSent(At(-1));
  stats.AddNotSent(At(1));
  stats.AddNotSent(At(1000));
  EXPECT_EQ(stats.not_sent(), 1u);
}

}  // namespace
}  // namespace torchferry::client
