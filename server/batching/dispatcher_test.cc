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

// Short batches are `gain` times as many while long ones leave a thread free. The host is made up.
class HeadroomDispatcherTest : public testing::Test {
 protected:
  // A long batch takes 50 ms.
  explicit HeadroomDispatcherTest(int threads = 2)
      : threads_(threads), dispatcher_(threads, [this] { return long_time_; }) {
    Add(short_, milliseconds(1));
    Add(long_, milliseconds(50));
    Add(wide_, milliseconds(50));
  }

  // Passes `time`. The tasks of `slow` always wait.
  void Run(base::Duration time, DispatchQueue& slow, int gain) {
    for (const base::TimePoint end = now_ + time; now_ < end; now_ += milliseconds(1)) {
      while (slow.tasks.size() < 8) Push(slow);
      EndLong();
      for (Dispatcher::Work work = Take(RunnerKind::kWorker); work.queue != nullptr; work = Take(RunnerKind::kWorker)) {
        ASSERT_TRUE(work.is_long);
        used_ += work.threads;
        running_.push_back(std::move(work));
      }
      // Two threads on two processors leave little for others.
      long_time_ += std::chrono::microseconds(used_ == threads_ ? 600 * threads_ : 1000 * used_);
      RunShort(used_ == threads_ ? 1 : gain);
    }
  }

  Dispatcher::Work Take(RunnerKind kind) {
    base::TimePoint wake_at = base::kNoDeadline;
    return dispatcher_.Take({.kind = kind}, now_, wake_at);
  }

  void End(const Dispatcher::Work& work, base::Duration took) {
    if (work.kind == RunnerKind::kWorker) dispatcher_.GiveThreads(work.threads);
    dispatcher_.End(work, 0, now_, took);
  }

  void Push(DispatchQueue& queue) {
    std::unique_ptr<Task> task = std::make_unique<FakeTask>();
    ASSERT_TRUE(queue.tasks.Push(task, now_).ok());
    dispatcher_.OnChange(queue);
  }

  const int threads_;
  base::TimePoint now_{std::chrono::hours(1)};
  base::Duration long_time_{0};
  Owner owner_;
  Dispatcher dispatcher_;
  DispatchQueue short_{UpTo(0), owner_};
  DispatchQueue long_{UpTo(0), owner_};
  DispatchQueue wide_{Wide(), owner_};
  std::vector<Dispatcher::Work> running_;  // long batches
  int used_ = 0;                           // the threads of these

 private:
  BatchOptions Wide() const {
    BatchOptions options = UpTo(0);
    options.threads = threads_;
    return options;
  }

  void Add(DispatchQueue& queue, base::Duration pace) {
    dispatcher_.Add(queue);
    queue.pace.RecordBatch(pace);
  }

  void EndLong() {
    std::erase_if(running_, [&](const Dispatcher::Work& work) {
      if (now_ - work.started < milliseconds(50)) return false;
      used_ -= work.threads;
      End(work, milliseconds(50));
      return true;
    });
  }

  void RunShort(int batches) {
    for (int i = 0; i < batches; ++i) {
      Push(short_);
      const Dispatcher::Work work = Take(RunnerKind::kExpress);
      ASSERT_EQ(work.queue, &short_);
      End(work, microseconds(100));
    }
  }
};

class SixteenThreadsHeadroomTest : public HeadroomDispatcherTest {
 protected:
  SixteenThreadsHeadroomTest() : HeadroomDispatcherTest(16) {}
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

TEST_F(HeadroomDispatcherTest, LongBatchesLeaveAThreadWhereShortOnesGainByIt) {
  Run(std::chrono::seconds(2), long_, 3);
  EXPECT_EQ(used_, 1);
  EXPECT_FALSE(dispatcher_.HasThreads(long_, now_));
  EXPECT_EQ(dispatcher_.WhoWakes(long_, now_), std::nullopt);
  // A worker takes a short batch on the thread that is left.
  Push(short_);
  const Dispatcher::Work work = Take(RunnerKind::kWorker);
  EXPECT_EQ(work.queue, &short_);
  End(work, microseconds(100));
}

TEST_F(HeadroomDispatcherTest, WithoutAGainTheyKeepAll) {
  Run(std::chrono::seconds(4), long_, 1);
  EXPECT_EQ(used_, 2);
}

TEST_F(HeadroomDispatcherTest, TheyTakeAllOnceShortOnesAreGone) {
  Run(std::chrono::seconds(2), long_, 3);
  ASSERT_EQ(used_, 1);
  now_ += std::chrono::seconds(1);
  EXPECT_TRUE(dispatcher_.HasThreads(long_, now_));
  EXPECT_EQ(Take(RunnerKind::kWorker).queue, &long_);
}

// A batch on all threads gets the others, and what it leaves is for short batches, also while it is next in turn.
TEST_F(SixteenThreadsHeadroomTest, AWideBatchRunsOnWhatIsLeft) {
  Run(std::chrono::seconds(2), wide_, 3);
  ASSERT_EQ(running_.size(), 1);
  const int left = threads_ - used_;
  EXPECT_GE(left, 1);
  for (int i = 0; i < left + 1; ++i) Push(short_);
  std::vector<Dispatcher::Work> works;
  for (int i = 0; i < left; ++i) {
    works.push_back(Take(RunnerKind::kWorker));
    ASSERT_EQ(works.back().queue, &short_) << i;
  }
  EXPECT_EQ(Take(RunnerKind::kWorker).queue, nullptr);
}

}  // namespace
}  // namespace torchferry::batching
