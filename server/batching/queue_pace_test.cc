#include "server/batching/queue_pace.h"

#include <gtest/gtest.h>

namespace torchferry::batching {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(QueuePaceTest, BeforeAnythingHasRunItIsNeitherQuickNorShort) {
  const QueuePace pace;
  EXPECT_FALSE(pace.IsQuick());
  EXPECT_FALSE(pace.IsShort());
  EXPECT_EQ(pace.mean(), base::Duration::zero());
}

TEST(QueuePaceTest, TheLongestOfTheLastBatchesDecides) {
  QueuePace pace;
  pace.RecordBatch(microseconds(50));
  EXPECT_TRUE(pace.IsQuick());
  pace.RecordBatch(milliseconds(5));
  pace.RecordBatch(microseconds(50));
  EXPECT_FALSE(pace.IsQuick());
  EXPECT_TRUE(pace.IsShort());
  for (int i = 0; i < 5; ++i) pace.RecordBatch(microseconds(50));
  EXPECT_FALSE(pace.IsQuick()) << "it has not faded yet";
  for (int i = 0; i < 25; ++i) pace.RecordBatch(microseconds(50));
  EXPECT_TRUE(pace.IsQuick());
}

TEST(QueuePaceTest, WhatIsExpectedCountsButProvesNothing) {
  QueuePace pace;
  pace.Expect(microseconds(50));
  EXPECT_TRUE(pace.IsQuick());
  EXPECT_FALSE(pace.IsProven());
  for (int i = 0; i < 100; ++i) pace.RecordBatch(microseconds(50));
  EXPECT_TRUE(pace.IsProven());
}

TEST(QueuePaceTest, AnswersDoNotMakeABatchSlowUnlessTheyTakeLong) {
  QueuePace pace;
  pace.RecordBatch({microseconds(1500), microseconds(50)});
  EXPECT_TRUE(pace.IsQuick());
  EXPECT_EQ(pace.longest_computing(), microseconds(50));
  pace.RecordBatch({milliseconds(5), microseconds(50)});
  EXPECT_FALSE(pace.IsQuick()) << "its answers take 5 ms";
  for (int i = 0; i < 30; ++i) pace.RecordBatch({microseconds(400), microseconds(50)});
  EXPECT_TRUE(pace.IsQuick());
  pace.RecordBatch({microseconds(400), microseconds(300)});
  EXPECT_FALSE(pace.IsQuick()) << "it computes for 300 us";
}

TEST(QueuePaceTest, TheMeanFollows) {
  QueuePace pace;
  for (int i = 0; i < 100; ++i) pace.RecordBatch(i % 2 == 0 ? milliseconds(10) : milliseconds(20));
  EXPECT_GT(pace.mean(), milliseconds(13));
  EXPECT_LT(pace.mean(), milliseconds(17));
}

}  // namespace
}  // namespace torchferry::batching
