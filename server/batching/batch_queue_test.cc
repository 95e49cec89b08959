#include "server/batching/batch_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;

class FakeTask : public Task {
 public:
  FakeTask(int task_id, int64_t task_rows, std::string key, base::TimePoint task_deadline = base::kNoDeadline)
      : id(task_id) {
    rows = task_rows;
    batch_key = std::move(key);
    deadline = task_deadline;
  }
  bool IsCancelled() const override { return cancelled; }

  const int id;
  bool cancelled = false;
};

int Id(const std::unique_ptr<Task>& task) { return static_cast<FakeTask&>(*task).id; }

std::vector<int> Ids(const std::vector<std::unique_ptr<Task>>& tasks) {
  std::vector<int> ids;
  for (const auto& task : tasks) ids.push_back(Id(task));
  return ids;
}

const base::TimePoint kStart{};

void Push(BatchQueue& queue, int id, int64_t rows = 1, std::string key = "k",
          base::TimePoint deadline = base::kNoDeadline, base::TimePoint now = kStart) {
  std::unique_ptr<Task> task = std::make_unique<FakeTask>(id, rows, std::move(key), deadline);
  ASSERT_TRUE(queue.Push(task, now).ok());
}

void PushOrdered(BatchQueue& queue, int id, uint64_t ordering_key, base::TimePoint deadline = base::kNoDeadline) {
  auto task = std::make_unique<FakeTask>(id, 1, "k", deadline);
  task->ordering_key = ordering_key;
  std::unique_ptr<Task> base = std::move(task);
  ASSERT_TRUE(queue.Push(base, kStart).ok());
}

BatchOptions Rows(int64_t max_rows, base::Duration delay = base::Duration::zero()) {
  BatchOptions options;
  options.max_rows = max_rows;
  options.max_queue_delay = delay;
  return options;
}

TEST(BatchQueueTest, GivesWhatWaitsAtOnceWithoutADelay) {
  BatchQueue queue(Rows(8));
  EXPECT_TRUE(queue.Take(kStart).batch.empty());
  Push(queue, 1);
  Push(queue, 2);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 2}));
}

TEST(BatchQueueTest, BatchesHaveTheRowCountsThatAreGivenWhereTheTasksAllowIt) {
  BatchOptions options = Rows(8);
  options.row_counts = {1, 2, 4, 8};
  BatchQueue queue(options);
  for (int id = 1; id <= 7; ++id) Push(queue, id);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{5, 6}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{7}));
  Push(queue, 8, 3);
  Push(queue, 9, 3);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{8, 9})) << "no sum is one of them";
  Push(queue, 10, 3);
  Push(queue, 11, 1);
  Push(queue, 12, 2);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{10, 11})) << "4 rows rather than 6";
}

TEST(BatchQueueTest, CountsRowsNotRequests) {
  BatchQueue queue(Rows(8));
  Push(queue, 1, 5);
  Push(queue, 2, 3);
  Push(queue, 3, 1);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 2}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{3}));
}

TEST(BatchQueueTest, ASmallTaskDoesNotOvertakeALargeOneOfItsKey) {
  BatchQueue queue(Rows(8));
  Push(queue, 1, 5);
  Push(queue, 2, 7);
  Push(queue, 3, 1);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2, 3}));
}

TEST(BatchQueueTest, NeverMixesKeys) {
  BatchQueue queue(Rows(8));
  Push(queue, 1, 1, "a");
  Push(queue, 2, 1, "b");
  Push(queue, 3, 1, "a");
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 3}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2}));
}

TEST(BatchQueueTest, WithoutBatchingEachTaskRunsAlone) {
  BatchQueue queue(Rows(0));
  Push(queue, 1);
  Push(queue, 2);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2}));
}

TEST(BatchQueueTest, ClosesBatchWhenOldestTaskExceedsDelay) {
  BatchQueue queue(Rows(8, milliseconds(5)));
  Push(queue, 1);
  BatchQueue::Taken early = queue.Take(kStart + milliseconds(4));
  EXPECT_TRUE(early.batch.empty());
  EXPECT_EQ(early.wake_at, kStart + milliseconds(5));
  EXPECT_EQ(Ids(queue.Take(kStart + milliseconds(5)).batch), (std::vector<int>{1}));
}

TEST(BatchQueueTest, ClosesAFullBatchBeforeItsDelay) {
  BatchQueue queue(Rows(2, milliseconds(5)));
  Push(queue, 1);
  Push(queue, 2);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 2}));
}

TEST(BatchQueueTest, ClosesAtAPreferredSizeBeforeItsDelay) {
  BatchOptions options = Rows(8, milliseconds(5));
  options.preferred_rows = {2};
  BatchQueue queue(options);
  Push(queue, 1);
  EXPECT_TRUE(queue.Take(kStart).batch.empty());
  Push(queue, 2);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 2}));
}

constexpr base::Duration kForever = std::chrono::hours(1);

BatchOptions Preferring(std::vector<int64_t> sizes, int64_t max_rows = 8) {
  BatchOptions options = Rows(max_rows, kForever);
  options.preferred_rows = std::move(sizes);
  return options;
}

// The batches that tasks of `rows`, which have come together, form without waiting for company.
std::vector<std::vector<int64_t>> Closed(const BatchOptions& options, const std::vector<int64_t>& rows) {
  BatchQueue queue(options);
  for (size_t i = 0; i < rows.size(); ++i) Push(queue, static_cast<int>(i), rows[i]);
  std::vector<std::vector<int64_t>> batches;
  while (true) {
    const BatchQueue::Taken taken = queue.Take(kStart);
    if (taken.batch.empty()) return batches;
    std::vector<int64_t>& batch = batches.emplace_back();
    for (const auto& task : taken.batch) batch.push_back(task->rows);
  }
}

TEST(BatchQueueTest, ABatchClosesAtAPreferredSizeAndPastTheLargest) {
  using Batches = std::vector<std::vector<int64_t>>;
  const BatchOptions options = Preferring({2, 6});
  EXPECT_EQ(Closed(options, {7}), (Batches{{7}})) << "above the largest";
  EXPECT_EQ(Closed(options, {8}), (Batches{{8}}));
  EXPECT_EQ(Closed(options, {6}), (Batches{{6}}));
  EXPECT_EQ(Closed(options, {5}), (Batches{})) << "below the largest";
  EXPECT_EQ(Closed(options, {3, 4}), (Batches{{3}})) << "together they would be above the largest; 4 waits";
  EXPECT_EQ(Closed(options, {1, 7}), (Batches{{1}, {7}}));
  EXPECT_EQ(Closed(options, {3, 4, 5}), (Batches{{3}, {4}}));
  EXPECT_EQ(Closed(options, {2, 3}), (Batches{{2}})) << "the first have a preferred number";
  EXPECT_EQ(Closed(options, {2, 3, 1}), (Batches{{2, 3, 1}})) << "the largest preferred number of those that there are";
  EXPECT_EQ(Closed(options, {1, 1, 1}), (Batches{{1, 1}}));
  EXPECT_EQ(Closed(Preferring({6, 2}), {7}), (Batches{{7}})) << "in any order";
  EXPECT_EQ(Closed(Preferring({2, 6}, 4), {3, 2}), (Batches{{3}, {2}})) << "6 is more than a batch may have";
}

TEST(BatchQueueTest, ABatchOfAPreferredSizeIsNotMadeSmallerForItsRowCounts) {
  BatchOptions options = Preferring({5});
  options.row_counts = {1, 2, 3, 4, 6, 8};
  EXPECT_EQ(Closed(options, {1, 1, 1, 1, 1}), (std::vector<std::vector<int64_t>>{{1, 1, 1, 1, 1}}));
}

TEST(BatchQueueTest, WhatHasWaitedForCompanyRunsWithAllThatHasCome) {
  BatchQueue queue(Preferring({2, 6}));
  Push(queue, 1, 2);
  Push(queue, 2, 3);
  EXPECT_EQ(Ids(queue.Take(kStart + kForever).batch), (std::vector<int>{1, 2}));
}

TEST(BatchQueueTest, ABatchThatWaitsHoldsUpNoneOfAnotherKey) {
  BatchQueue queue(Preferring({2, 6}));
  Push(queue, 1, 1, "a");
  Push(queue, 2, 1, "b");
  EXPECT_FALSE(queue.HasDue(kStart));
  EXPECT_EQ(queue.Take(kStart).wake_at, kStart + kForever);
  Push(queue, 3, 1, "b");
  EXPECT_TRUE(queue.HasDue(kStart));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2, 3}));
  Push(queue, 4, 7, "c");
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{4})) << "too large for any preferred size";
  PushOrdered(queue, 5, 7);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{5}))
      << "a task with an ordering key never waits for company";
  PushOrdered(queue, 6, 7);
  EXPECT_FALSE(queue.HasDue(kStart)) << "its key is busy";
  Push(queue, 7, 1, "a");
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1, 7})) << "others in between are no company";
}

TEST(BatchQueueTest, OfTwoKeysThatAreDueTheOlderRuns) {
  BatchQueue queue(Preferring({2}));
  Push(queue, 1, 1, "a");
  Push(queue, 2, 2, "b", base::kNoDeadline, kStart + milliseconds(1));
  EXPECT_EQ(Ids(queue.Take(kStart + kForever).batch), (std::vector<int>{1})) << "its delay is over";
  EXPECT_EQ(Ids(queue.Take(kStart + kForever).batch), (std::vector<int>{2}));
}

TEST(BatchQueueTest, ExpiredTasksNeverStart) {
  BatchQueue queue(Rows(8));
  Push(queue, 1, 1, "k", kStart + milliseconds(1));
  Push(queue, 2);
  const BatchQueue::Taken taken = queue.Take(kStart + milliseconds(1));
  EXPECT_EQ(Ids(taken.expired), (std::vector<int>{1}));
  EXPECT_EQ(Ids(taken.batch), (std::vector<int>{2}));
}

TEST(BatchQueueTest, WakesForADeadlineBeforeTheDelay) {
  BatchQueue queue(Rows(8, milliseconds(50)));
  Push(queue, 1, 1, "k", kStart + milliseconds(10));
  EXPECT_EQ(queue.Take(kStart).wake_at, kStart + milliseconds(10));
}

TEST(BatchQueueTest, CancelledTasksNeverStart) {
  BatchQueue queue(Rows(8));
  auto task = std::make_unique<FakeTask>(1, 1, "k");
  task->cancelled = true;
  std::unique_ptr<Task> base = std::move(task);
  ASSERT_TRUE(queue.Push(base, kStart).ok());
  const BatchQueue::Taken taken = queue.Take(kStart);
  EXPECT_EQ(Ids(taken.cancelled), (std::vector<int>{1}));
  EXPECT_TRUE(taken.batch.empty());
}

TEST(BatchQueueTest, WhatHasEndedIsTakenWithoutABatch) {
  BatchQueue queue(Rows(8));
  EXPECT_EQ(queue.TakeEnded(kStart).wake_at, std::nullopt);
  Push(queue, 1, 1, "k", kStart + milliseconds(5));
  Push(queue, 2);
  std::vector<std::unique_ptr<Task>> parked;
  parked.push_back(std::make_unique<FakeTask>(3, 1, "k", kStart + milliseconds(7)));
  queue.Park(std::move(parked));
  BatchQueue::Taken taken = queue.TakeEnded(kStart);
  EXPECT_TRUE(taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty());
  EXPECT_EQ(taken.wake_at, kStart + milliseconds(5));
  taken = queue.TakeEnded(kStart + milliseconds(6));
  EXPECT_EQ(Ids(taken.expired), std::vector<int>{1});
  EXPECT_EQ(taken.wake_at, kStart + milliseconds(7));
  taken = queue.TakeEnded(kStart + milliseconds(8));
  EXPECT_EQ(Ids(taken.expired), std::vector<int>{3});
  ASSERT_TRUE(taken.wake_at.has_value());  // for callers that go
  EXPECT_LE(*taken.wake_at, kStart + milliseconds(1000));
  EXPECT_EQ(Ids(queue.Take(kStart + milliseconds(8)).batch), std::vector<int>{2});
}

TEST(BatchQueueTest, RefusesBeyondItsSizeAndLeavesTheTaskToTheCaller) {
  BatchOptions options = Rows(8);
  options.max_queue_size = 1;
  BatchQueue queue(options);
  Push(queue, 1);
  std::unique_ptr<Task> task = std::make_unique<FakeTask>(2, 1, "k");
  EXPECT_EQ(queue.Push(task, kStart).code(), absl::StatusCode::kUnavailable);
  ASSERT_NE(task, nullptr);
  EXPECT_EQ(Id(task), 2);
}

// Random pushes and takes: no task is lost, none comes twice, no batch passes its rows or mixes keys, and within a key
// the order stays.
TEST(BatchQueueTest, KeepsItsPromisesUnderRandomUse) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    BatchOptions options = Rows(1 + below(8), milliseconds(below(3)));
    if (below(2) == 0) options.preferred_rows = {1 + below(8), 1 + below(8)};
    int64_t most = options.max_rows;
    if (!options.preferred_rows.empty()) most = std::min(most, std::ranges::max(options.preferred_rows));
    if (below(2) == 0) options.row_counts = {1, 2, 4};
    BatchQueue queue(options);
    base::TimePoint now = kStart;
    int pushed = 0;
    std::map<int, int> seen;
    std::map<std::string, int> last_of_key;
    const auto account = [&](const std::vector<std::unique_ptr<Task>>& tasks) {
      for (const auto& task : tasks) ++seen[Id(task)];
    };
    while (pushed < 200 || queue.size() > 0) {
      now += milliseconds(below(2));
      for (int i = below(5); i > 0 && pushed < 200; --i) {
        const base::TimePoint deadline = below(4) == 0 ? now + milliseconds(below(4)) : base::kNoDeadline;
        Push(queue, pushed++, 1 + below(static_cast<int>(options.max_rows)),
             std::string(1, static_cast<char>('a' + below(3))), deadline, now);
      }
      const BatchQueue::Taken taken = queue.Take(now);
      account(taken.batch);
      account(taken.expired);
      int64_t rows = 0;
      for (const auto& task : taken.batch) {
        rows += task->rows;
        EXPECT_GT(task->deadline, now);
        EXPECT_EQ(task->batch_key, taken.batch[0]->batch_key);
        const auto last = last_of_key.find(task->batch_key);
        if (last != last_of_key.end()) {
          EXPECT_LT(last->second, Id(task)) << "seed " << seed;
        }
        last_of_key[task->batch_key] = Id(task);
      }
      EXPECT_TRUE(rows <= most || taken.batch.size() == 1) << rows << " rows, seed " << seed;
      EXPECT_LE(rows, options.max_rows);
    }
    ASSERT_EQ(seen.size(), 200u) << "seed " << seed;
    for (const auto& [id, times] : seen) EXPECT_EQ(times, 1) << "task " << id << ", seed " << seed;
  }
}

TEST(BatchQueueTest, RunsTheTasksOfAKeyOneAtATimeAndInOrder) {
  BatchQueue queue(Rows(8));
  PushOrdered(queue, 1, 7);
  PushOrdered(queue, 2, 7);
  PushOrdered(queue, 3, 8);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{3}));  // overtakes 2, whose key is busy
  const BatchQueue::Taken nothing = queue.Take(kStart);
  EXPECT_TRUE(nothing.batch.empty());
  EXPECT_FALSE(nothing.wake_at.has_value());
  queue.ReleaseKey(8);
  EXPECT_TRUE(queue.Take(kStart).batch.empty());
  queue.ReleaseKey(7);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{2}));
}

TEST(BatchQueueTest, PutsNoTaskOfAKeyIntoABatch) {
  BatchQueue queue(Rows(8, milliseconds(5)));
  PushOrdered(queue, 1, 7);
  Push(queue, 2);
  PushOrdered(queue, 3, 8);
  Push(queue, 4);
  // It does not wait for company either.
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1}));
  EXPECT_EQ(Ids(queue.Take(kStart + milliseconds(5)).batch), (std::vector<int>{2, 4}));
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{3}));
}

TEST(BatchQueueTest, ATaskThatWaitsForItsKeyExpires) {
  BatchQueue queue(Rows(0));
  PushOrdered(queue, 1, 7);
  EXPECT_EQ(Ids(queue.Take(kStart).batch), (std::vector<int>{1}));
  PushOrdered(queue, 2, 7, kStart + milliseconds(5));
  EXPECT_EQ(queue.Take(kStart).wake_at, kStart + milliseconds(5));
  EXPECT_EQ(Ids(queue.Take(kStart + milliseconds(5)).expired), (std::vector<int>{2}));
}

}  // namespace
}  // namespace torchferry::batching
