#include "server/serving/batch_split.h"

#include <gtest/gtest.h>

namespace torchferry::serving {
namespace {

using Rows = std::vector<int64_t>;

// Requests of so many rows each.
Batch Make(const Rows& rows) {
  Batch batch;
  for (const int64_t count : rows) {
    PredictTask task;
    task.inputs.rows = count;
    batch.push_back(std::make_unique<QueuedTask>(std::move(task), base::kNoDeadline));
  }
  return batch;
}

Rows RowsOfEach(const Batch& batch) {
  Rows rows;
  for (const auto& task : batch) rows.push_back(task->rows);
  return rows;
}

std::vector<Rows> RowsOfEach(const std::vector<Batch>& batches) {
  std::vector<Rows> rows;
  for (const Batch& batch : batches) rows.push_back(RowsOfEach(batch));
  return rows;
}

TEST(BatchSplitTest, RowsInIsTheirSum) {
  EXPECT_EQ(RowsIn(Batch()), 0);
  EXPECT_EQ(RowsIn(Make({3, 1, 4})), 8);
}

TEST(BatchSplitTest, InOrderKeepsBothEvenWhenOneIsEmpty) {
  EXPECT_EQ(RowsOfEach(InOrder(Make({1}), Make({2, 3}))), (std::vector<Rows>{{1}, {2, 3}}));
  EXPECT_EQ(RowsOfEach(InOrder(Make({1}), Batch())), (std::vector<Rows>{{1}, {}}));
}

TEST(BatchSplitTest, HalvesCountRequestsAndTheFirstHasOneMore) {
  EXPECT_EQ(RowsOfEach(Halves(Make({8, 1}))), (std::vector<Rows>{{8}, {1}}));
  EXPECT_EQ(RowsOfEach(Halves(Make({1, 2, 3, 4}))), (std::vector<Rows>{{1, 2}, {3, 4}}));
  EXPECT_EQ(RowsOfEach(Halves(Make({1, 2, 3, 4, 5}))), (std::vector<Rows>{{1, 2, 3}, {4, 5}}));
}

TEST(BatchSplitTest, SinglesAreOneRequestEach) {
  EXPECT_EQ(RowsOfEach(Singles(Make({3, 1, 2}))), (std::vector<Rows>{{3}, {1}, {2}}));
  EXPECT_TRUE(Singles(Batch()).empty());
}

TEST(BatchSplitTest, TakeAfterLeavesWhatHasSoManyRows) {
  struct Case {
    Rows rows;
    int64_t limit;
    Rows left;
    Rows taken;
  };
  const std::vector<Case> cases = {
      {{1, 1, 1, 1}, 2, {1, 1}, {1, 1}},
      {{1, 1}, 2, {1, 1}, {}},
      {{2, 3, 1}, 4, {2}, {3, 1}},  // not 2 + 1: they keep their order
      {{5, 1}, 4, {5}, {1}},        // one at least
      {{5}, 0, {5}, {}},
  };
  for (const Case& c : cases) {
    Batch batch = Make(c.rows);
    EXPECT_EQ(RowsOfEach(TakeAfter(batch, c.limit)), c.taken);
    EXPECT_EQ(RowsOfEach(batch), c.left);
  }
}

}  // namespace
}  // namespace torchferry::serving
