#include "server/metrics/model_totals.h"

#include <gtest/gtest.h>

namespace torchferry::metrics {
namespace {

// Two requests with 5 rows; each waited for a quarter of a second and more.
const BatchRecord kBatch = {.device = "cpu",
                            .requests = 2,
                            .rows = 5,
                            .is_answered = true,
                            .seconds = 0.5,
                            .input_seconds = 0.125,
                            .infer_seconds = 0.25,
                            .output_seconds = 0.0625,
                            .queue_seconds = 0.75};

TEST(ModelTotalsTest, RequestsThatFailAreCountedApart) {
  ModelTotals totals;
  totals.AddSuccess(0.5, 1000);
  totals.AddSuccess(0.25, 2000);
  totals.AddFailure(1);
  EXPECT_EQ(totals.success.count, 2U);
  EXPECT_EQ(totals.success.seconds, 0.75);
  EXPECT_EQ(totals.fail.count, 1U);
  EXPECT_EQ(totals.fail.seconds, 1);
}

TEST(ModelTotalsTest, TheLastAnswerIsASuccess) {
  ModelTotals totals;
  totals.AddFailure(1);
  EXPECT_EQ(totals.last_unix_milliseconds, 0);
  totals.AddSuccess(0.5, 1000);
  totals.AddFailure(1);
  EXPECT_EQ(totals.last_unix_milliseconds, 1000);
}

TEST(ModelTotalsTest, EachRequestOfABatchHasTheWholePass) {
  ModelTotals totals;
  totals.AddBatch(kBatch);
  EXPECT_EQ(totals.compute.input.count, 2U);
  EXPECT_EQ(totals.compute.input.seconds, 0.25);
  EXPECT_EQ(totals.compute.infer.seconds, 0.5);
  EXPECT_EQ(totals.compute.output.seconds, 0.125);
}

TEST(ModelTotalsTest, TimeInTheQueueIsOfAllRequestsTogether) {
  ModelTotals totals;
  totals.AddBatch(kBatch);
  EXPECT_EQ(totals.queue.count, 2U);
  EXPECT_EQ(totals.queue.seconds, 0.75);
}

TEST(ModelTotalsTest, PassesAreCountedByTheirRows) {
  ModelTotals totals;
  totals.AddBatch(kBatch);
  totals.AddBatch(kBatch);
  BatchRecord other = kBatch;
  other.rows = 3;
  totals.AddBatch(other);
  EXPECT_EQ(totals.executions, 3U);
  EXPECT_EQ(totals.rows, 13U);
  ASSERT_EQ(totals.batches.size(), 2U);
  EXPECT_EQ(totals.batches.at(5).output.count, 2U);
  EXPECT_EQ(totals.batches.at(5).output.seconds, 0.125);
  EXPECT_EQ(totals.batches.at(3).output.count, 1U);
}

TEST(ModelTotalsTest, SizesBeyondTheLimitAreCountedTogether) {
  ModelTotals totals;
  BatchRecord batch = kBatch;
  for (int64_t rows = 1; rows <= 100'000; ++rows) {
    batch.rows = rows;
    totals.AddBatch(batch);
  }
  EXPECT_EQ(totals.executions, 100'000U);
  ASSERT_EQ(totals.batches.size(), 1025U);
  EXPECT_EQ(totals.batches.at(1024).infer.count, 1U);
  EXPECT_EQ(totals.batches.at(0).infer.count, 100'000U - 1024);
  batch.rows = 5;
  totals.AddBatch(batch);
  EXPECT_EQ(totals.batches.at(5).infer.count, 2U);
}

TEST(ModelTotalsTest, APassWithoutAnswersDoesNotCount) {
  ModelTotals totals;
  BatchRecord batch = kBatch;
  batch.is_answered = false;
  totals.AddBatch(batch);
  EXPECT_EQ(totals.executions, 0U);
  EXPECT_EQ(totals.queue.count, 0U);
  EXPECT_EQ(totals.compute.infer.count, 0U);
  EXPECT_TRUE(totals.batches.empty());
}

}  // namespace
}  // namespace torchferry::metrics
