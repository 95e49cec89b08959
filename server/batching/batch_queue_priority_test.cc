#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/base/refusal.h"
#include "server/base/status.h"
#include "server/batching/batch_queue.h"

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;

constexpr base::TimePoint kStart{};

class FakeTask : public Task {
 public:
  explicit FakeTask(int number) : id(number) {}
  bool IsCancelled() const override { return is_cancelled; }
  const int id;
  bool is_cancelled = false;
};

std::vector<int> Ids(const std::vector<std::unique_ptr<Task>>& tasks) {
  std::vector<int> ids;
  for (const auto& task : tasks) ids.push_back(static_cast<FakeTask&>(*task).id);
  return ids;
}

// A task that is to come.
struct Coming {
  int id;
  uint32_t priority;
  int64_t rows = 1;
  std::string key = "k";
  int at = 0;  // milliseconds
};

// What came of it: the ids of those that were put out, or -1 for one that was refused.
std::vector<int> Push(BatchQueue& queue, const Coming& coming) {
  auto fake = std::make_unique<FakeTask>(coming.id);
  fake->priority = coming.priority;
  fake->rows = coming.rows;
  fake->bytes = coming.rows * 8;
  fake->batch_key = coming.key;
  std::unique_ptr<Task> task = std::move(fake);
  std::vector<std::unique_ptr<Task>> shed;
  if (!queue.Push(task, kStart + milliseconds(coming.at), &shed).ok()) return {-1};
  return Ids(shed);
}

BatchOptions Levels(int64_t rows, int64_t most = 100) {
  BatchOptions options;
  options.max_rows = rows;
  options.max_queue_size = most;
  options.priority_levels = 3;
  return options;
}

TEST(BatchQueuePriorityTest, HigherFirstAndOfOneLevelInTheirOrder) {
  BatchQueue queue(Levels(0));
  for (const Coming& one : {Coming{1, 3}, {2, 1}, {3, 2}, {4, 1}, {5, 3}, {6, 2}}) Push(queue, one);
  std::vector<int> order;
  while (queue.size() > 0) order.push_back(Ids(queue.Take(kStart).batch).at(0));
  EXPECT_EQ(order, (std::vector<int>{2, 4, 3, 6, 1, 5}));
}

TEST(BatchQueuePriorityTest, ABatchIsFilledWithLowerOnesOfItsKey) {
  BatchQueue queue(Levels(3));
  for (const Coming& one : {Coming{1, 3}, {2, 2, 1, "other"}, {3, 1}, {4, 3}, {5, 2}}) Push(queue, one);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{3, 5, 1}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{4}));
}

TEST(BatchQueuePriorityTest, WithOneLevelPrioritiesAreNotLookedAt) {
  BatchOptions options = Levels(0, 2);
  options.priority_levels = 1;
  BatchQueue queue(options);
  Push(queue, {1, 0});
  Push(queue, {2, 0});
  EXPECT_EQ(Push(queue, {3, 0}), std::vector<int>{-1});
  EXPECT_EQ(Ids(queue.Take(kStart).batch), std::vector<int>{1});
}

TEST(BatchQueuePriorityTest, AFullQueuePutsOutTheLowestAndYoungest) {
  BatchQueue queue(Levels(0, 3));
  for (const Coming& one : {Coming{1, 3}, {2, 2}, {3, 3}}) Push(queue, one);
  EXPECT_EQ(Push(queue, {4, 3}), std::vector<int>{-1}) << "nobody is below it";
  EXPECT_EQ(Push(queue, {5, 1}), std::vector<int>{3});
  EXPECT_EQ(Push(queue, {6, 2}), std::vector<int>{1});
  EXPECT_EQ(Push(queue, {7, 2}), std::vector<int>{-1});
  EXPECT_EQ(Push(queue, {8, 1}), std::vector<int>{6});
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.load(), (QueueLoad{3, 3, 24}));
}

TEST(BatchQueuePriorityTest, AsManyGoAsItTakesOrNone) {
  BatchOptions options = Levels(0);
  options.max_queue_rows = 10;
  BatchQueue queue(options);
  for (const Coming& one : {Coming{1, 3, 3}, {2, 3, 3}, {3, 1, 4}}) Push(queue, one);
  EXPECT_EQ(Push(queue, {4, 2, 7}), std::vector<int>{-1}) << "both together leave 6";
  EXPECT_EQ(queue.load().rows, 10);
  EXPECT_EQ(Push(queue, {5, 2, 3}), std::vector<int>{2});
  EXPECT_EQ(Push(queue, {6, 1, 6}), (std::vector<int>{1, 5}));
}

TEST(BatchQueuePriorityTest, WithoutAPlaceForThemNoneArePutOut) {
  BatchQueue queue(Levels(0, 1));
  Push(queue, {1, 3});
  std::unique_ptr<Task> task = std::make_unique<FakeTask>(2);
  task->priority = 1;
  EXPECT_FALSE(queue.Push(task, kStart).ok());
}

TEST(BatchQueuePriorityTest, WhoGivesWayIsToldSo) {
  const absl::Status status = ShedStatus(3);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::LimitOf(status), "shed");
  EXPECT_NE(base::MessageOf(status).find("priority level 3"), std::string::npos);
}

TEST(BatchQueuePriorityTest, TheOldestHasItsTurnAmongHigherOnes) {
  BatchQueue queue(Levels(0));
  Push(queue, {0, 3});
  int taken = 0;
  for (int id = 1; queue.size() > 0; ++id) {
    Push(queue, {id, 1, 1, "k", id});
    const std::vector<int> batch = Ids(queue.Take(kStart + milliseconds(id)).batch);
    ++taken;
    if (batch == std::vector<int>{0}) break;
    EXPECT_EQ(batch, std::vector<int>{id});
    ASSERT_LE(taken, BatchQueue::kTurnOfOldest);
  }
  EXPECT_EQ(taken, BatchQueue::kTurnOfOldest);
}

TEST(BatchQueuePriorityTest, TheTurnOfTheOldestTakesItsCompanyAlong) {
  BatchQueue queue(Levels(2));
  Push(queue, {0, 3, 1, "k", 0});
  for (int id = 1;; ++id) {
    Push(queue, {id * 10, 1, 2, "other", id});
    Push(queue, {id, 2, 1, "k", id});
    const std::vector<int> batch = Ids(queue.Take(kStart + milliseconds(id)).batch);
    ASSERT_LE(id, 8);
    if (batch[0] != 0) continue;
    EXPECT_EQ(batch, (std::vector<int>{0, 1}));
    break;
  }
}

TEST(BatchQueuePriorityTest, ADelayIsThatOfTheOldestOfTheBatch) {
  BatchOptions options = Levels(8);
  options.max_queue_delay = milliseconds(10);
  BatchQueue queue(options);
  Push(queue, {1, 3, 1, "k", 0});
  Push(queue, {2, 1, 1, "k", 8});
  const BatchQueue::Taken early = queue.Take(kStart + milliseconds(9));
  EXPECT_TRUE(early.batch.empty());
  EXPECT_EQ(early.wake_at, kStart + milliseconds(10));
  EXPECT_EQ(Ids(queue.Take(kStart + milliseconds(10)).batch), (std::vector<int>{2, 1}));
}

TEST(BatchQueuePriorityTest, WhatCameBackStaysBeforeTheOthers) {
  BatchQueue queue(Levels(1));
  Push(queue, {1, 3});
  std::vector<std::unique_ptr<Task>> taken = queue.Take(kStart).batch;
  Push(queue, {2, 1});
  queue.Return(std::move(taken));
  Push(queue, {3, 1});
  std::vector<int> order;
  while (queue.size() > 0) order.push_back(Ids(queue.Take(kStart).batch).at(0));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// The load is what waits, whatever happens; nothing is lost and nothing is there twice.
TEST(BatchQueuePriorityTest, TheLoadIsTheSumOfWhatWaits) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    BatchOptions options = Levels(6, 12);
    options.max_queue_rows = 30;
    options.max_queue_bytes = 200;
    BatchQueue queue(options);
    QueueLoad waits;
    int64_t inside = 0;
    std::vector<std::unique_ptr<Task>> running;
    const auto leave = [&](const std::vector<std::unique_ptr<Task>>& tasks) {
      for (const auto& task : tasks) waits -= {1, task->rows, task->bytes};
      inside -= static_cast<int64_t>(tasks.size());
    };
    for (int step = 0; step < 400; ++step) {
      const base::TimePoint now = kStart + milliseconds(step);
      std::unique_ptr<Task> task = std::make_unique<FakeTask>(step);
      task->priority = 1 + random() % 3;
      task->rows = 1 + static_cast<int64_t>(random() % 5);
      task->bytes = task->rows * 8;
      if (random() % 4 == 0) task->deadline = now + milliseconds(random() % 20);
      static_cast<FakeTask&>(*task).is_cancelled = random() % 10 == 0;
      const QueueLoad more = {1, task->rows, task->bytes};
      std::vector<std::unique_ptr<Task>> shed;
      if (queue.Push(task, now, &shed).ok()) {
        waits += more;
        ++inside;
      } else {
        EXPECT_TRUE(shed.empty());
      }
      leave(shed);
      if (random() % 2 == 0) {
        BatchQueue::Taken taken = queue.Take(now);
        leave(taken.batch);
        leave(taken.expired);
        leave(taken.cancelled);
        if (random() % 4 == 0) {
          for (const auto& one : taken.batch) waits += {1, one->rows, one->bytes};
          inside += static_cast<int64_t>(taken.batch.size());
          random() % 2 == 0 ? queue.Return(std::move(taken.batch)) : queue.Park(std::move(taken.batch));
        }
      }
      if (random() % 8 == 0) queue.Unpark();
      ASSERT_EQ(queue.load(), waits) << "seed " << seed << " step " << step;
      ASSERT_EQ(static_cast<int64_t>(queue.size()), inside);
    }
    queue.TakeAll();
    EXPECT_EQ(queue.load(), QueueLoad{});
  }
}

}  // namespace
}  // namespace torchferry::batching
