#include "server/batching/dispatcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class Owner : public QueueOwner {
 public:
  void OnDepth(int64_t waiting) override { depth = waiting; }
  int MaxAtOnce() const override { return max_at_once; }
  bool MayRunOnCaller() const override { return is_on_cpu; }

  int64_t depth = 0;
  int max_at_once = 0;
  bool is_on_cpu = true;
};

class DispatcherTest : public testing::Test {
 protected:
  explicit DispatcherTest(int threads = 2) : dispatcher_(threads) {}

  DispatchQueue& Add(BatchOptions options, base::Duration pace = base::Duration::zero()) {
    auto& queue = *queues_.emplace_back(std::make_unique<DispatchQueue>(std::move(options), owner_));
    dispatcher_.Add(queue);
    if (pace > base::Duration::zero()) queue.pace.RecordBatch(pace);
    return queue;
  }

  void Push(DispatchQueue& queue, int tasks = 1, int64_t rows = 1) {
    for (int i = 0; i < tasks; ++i) {
      std::unique_ptr<Task> task = std::make_unique<FakeTask>();
      task->rows = rows;
      ASSERT_TRUE(queue.tasks.Push(task, now_).ok());
      dispatcher_.OnChange(queue);
    }
  }

  Dispatcher::Work Take(RunnerKind kind = RunnerKind::kWorker) {
    base::TimePoint wake_at = base::kNoDeadline;
    return dispatcher_.Take({.kind = kind}, now_, wake_at);
  }

  // As the scheduler does.
  void End(const Dispatcher::Work& work, base::Duration took) {
    if (work.kind == RunnerKind::kWorker) dispatcher_.GiveThreads(work.threads);
    dispatcher_.End(work, 0, now_, took);
  }

  // Runs the next batch for `took`; its queue.
  const DispatchQueue* RunNext(base::Duration took) {
    const Dispatcher::Work work = Take();
    now_ += took;
    if (work.queue != nullptr) End(work, took);
    return work.queue;
  }

  Owner owner_;
  base::TimePoint now_{std::chrono::hours(1)};
  Dispatcher dispatcher_;
  std::vector<std::unique_ptr<DispatchQueue>> queues_;
};

class SixteenThreadsTest : public DispatcherTest {
 protected:
  SixteenThreadsTest() : DispatcherTest(16) {}
};

TEST_F(DispatcherTest, AShortQueueRunsManyBatchesForOneLongOne) {
  DispatchQueue& slow = Add(UpTo(0), milliseconds(50));
  DispatchQueue& fast = Add(UpTo(0), milliseconds(1));
  Push(slow, 100);
  Push(fast, 1000);
  int slow_batches = 0;
  int fast_batches = 0;
  for (int i = 0; i < 510; ++i) {
    const Dispatcher::Work work = Take();
    const bool is_slow = work.queue == &slow;
    ++(is_slow ? slow_batches : fast_batches);
    End(work, is_slow ? milliseconds(50) : milliseconds(1));
  }
  EXPECT_NEAR(fast_batches, 50 * slow_batches, 50);
}

// What a queue did not use while it had nothing to run is not saved up.
TEST_F(DispatcherTest, AQueueThatWasIdleDoesNotKeepTheOthersOut) {
  DispatchQueue& busy = Add(UpTo(0), milliseconds(1));
  DispatchQueue& late = Add(UpTo(0), milliseconds(1));
  Push(busy, 2000);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(RunNext(milliseconds(1)), &busy);
  Push(late, 1000);
  int of_busy = 0;
  for (int i = 0; i < 100; ++i) of_busy += RunNext(milliseconds(1)) == &busy ? 1 : 0;
  EXPECT_NEAR(of_busy, 50, 2);
}

TEST_F(DispatcherTest, AQueueWhoseTurnItIsKeepsWhatBecomesFree) {
  BatchOptions wide = UpTo(0);
  wide.threads = 2;
  DispatchQueue& narrow_queue = Add(UpTo(0));
  DispatchQueue& wide_queue = Add(wide);
  Push(narrow_queue, 10);
  const Dispatcher::Work first = Take();
  ASSERT_EQ(first.queue, &narrow_queue);
  Push(wide_queue);
  EXPECT_EQ(Take().queue, nullptr) << "one thread is free, and it is for the queue that needs two";
  End(first, milliseconds(1));
  EXPECT_EQ(Take().queue, &wide_queue);
}

TEST_F(DispatcherTest, ALoneBatchGetsTheLatencyPoint) {
  BatchOptions options = UpTo(8);
  options.latency = {.max_rows = 1, .threads = 2, .expected = milliseconds(20), .expected_without = milliseconds(40)};
  DispatchQueue& queue = Add(options);
  Push(queue);
  const Dispatcher::Work alone = Take();
  EXPECT_TRUE(alone.is_at_latency_point);
  EXPECT_EQ(alone.threads, 2);
  EXPECT_EQ(dispatcher_.free_threads(), 0);
  Push(queue);
  EXPECT_EQ(Take().queue, nullptr) << "no thread is free";
  now_ += milliseconds(20);
  End(alone, milliseconds(20));
  const Dispatcher::Work waited = Take();
  EXPECT_FALSE(waited.is_at_latency_point) << "it waited for the one before: there is load";
  EXPECT_EQ(waited.threads, 1);
  Push(queue);
  EXPECT_EQ(Take().threads, 1) << "beside another one";
}

// A foreign process holds one of the two processors.
TEST_F(DispatcherTest, BatchesThatBecameManyTimesSlowerGetOneThread) {
  BatchOptions options = UpTo(0);
  options.threads = 2;
  DispatchQueue& queue = Add(options);
  Push(queue, 200);
  RunNext(milliseconds(20));
  int with_one = 0;
  for (int i = 0; i < 100; ++i) {
    const Dispatcher::Work work = Take();
    with_one += work.threads == 1 ? 1 : 0;
    now_ += work.threads == 1 ? milliseconds(40) : milliseconds(500);
    End(work, milliseconds(40));
  }
  EXPECT_GE(with_one, 90);
}

TEST_F(DispatcherTest, ShortWorkThatNoWorkerCanTakeWakesTheExpressWorker) {
  DispatchQueue& slow = Add(UpTo(0), milliseconds(50));
  DispatchQueue& short_queue = Add(UpTo(0), milliseconds(2));
  dispatcher_.express() = {.idle = 1, .is_watched = true};
  Push(slow, 4);
  Take();
  Take();
  EXPECT_EQ(dispatcher_.WhoWakes(slow, now_), std::nullopt);
  Push(short_queue);
  EXPECT_EQ(dispatcher_.WhoWakes(short_queue, now_), RunnerKind::kExpress);
  EXPECT_EQ(dispatcher_.WhoElseWakes(now_), RunnerKind::kExpress);
  const Dispatcher::Work work = Take(RunnerKind::kExpress);
  EXPECT_EQ(work.queue, &short_queue);
  EXPECT_EQ(dispatcher_.free_threads(), 0) << "it takes none of the workers' threads";
  EXPECT_EQ(Take(RunnerKind::kExpress).queue, nullptr) << "the slow one is not for it";
}

// Of a version that is READY and was never asked.
TEST_F(DispatcherTest, WhatWasMeasuredAtLoadTellsThatAQueueIsShort) {
  BatchOptions measured = UpTo(0);
  measured.expected_batch = milliseconds(2);
  EXPECT_TRUE(Add(measured).pace.IsShort());
  EXPECT_FALSE(Add(UpTo(0)).pace.IsShort());
}

TEST_F(DispatcherTest, WithAWorkerFreeTheExpressWorkerSleeps) {
  DispatchQueue& short_queue = Add(UpTo(0), milliseconds(2));
  dispatcher_.express() = {.idle = 1, .is_watched = true};
  dispatcher_.workers() = {.idle = 1};
  Push(short_queue);
  EXPECT_EQ(dispatcher_.WhoWakes(short_queue, now_), RunnerKind::kWorker);
  dispatcher_.workers().waking = 1;
  EXPECT_EQ(dispatcher_.WhoWakes(short_queue, now_), std::nullopt) << "that worker is on its way";
}

TEST_F(SixteenThreadsTest, ABurstOfUnbatchedQuickRequestsUsesAllWorkers) {
  DispatchQueue& queue = Add(UpTo(0), microseconds(60));
  Push(queue, 8);
  dispatcher_.workers() = {.idle = 4, .is_watched = true};
  int running = 0;
  while (dispatcher_.WhoElseWakes(now_) == RunnerKind::kWorker) {
    ASSERT_NE(Take().queue, nullptr);
    --dispatcher_.workers().idle;
    ++running;
  }
  EXPECT_EQ(running, 4);
}

TEST_F(SixteenThreadsTest, AnAcceleratorGetsTheNextBatchWhileOneRuns) {
  owner_.is_on_cpu = false;
  DispatchQueue& queue = Add(UpTo(8), microseconds(60));
  Push(queue, 2);
  dispatcher_.workers() = {.idle = 4, .is_watched = true};
  Take();
  Push(queue);
  EXPECT_EQ(dispatcher_.WhoWakes(queue, now_), RunnerKind::kWorker);
}

TEST_F(DispatcherTest, OnlyQueuesWithTasksAreLookedAt) {
  for (int i = 0; i < 1000; ++i) Add(UpTo(0));
  DispatchQueue& queue = Add(UpTo(0));
  Push(queue);
  int visited = 0;
  dispatcher_.EachWaiting([&](const DispatchQueue&) { ++visited; });
  EXPECT_EQ(visited, 1);
  EXPECT_EQ(RunNext(milliseconds(1)), &queue);
  EXPECT_EQ(dispatcher_.waiting(), 0u);
  EXPECT_EQ(owner_.depth, 0);
}

}  // namespace
}  // namespace torchferry::batching
