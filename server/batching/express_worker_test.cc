// Two operating points and the express worker, on real threads.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>
#include <vector>

#include "server/base/test_clock.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

class ExpressWorkerTest : public testing::Test {
 protected:
  ExpressWorkerTest() {
    slow_.on_run = [this](const auto&) {
      started_.release();
      release_.wait(false);
    };
  }
  ~ExpressWorkerTest() override {
    Release();
    scheduler_.Close(*slow_queue_);
    scheduler_.Close(*short_queue_);
  }

  // A batch of it has run: it is known to be short.
  void MakeKnown() {
    ASSERT_TRUE(Submit(scheduler_, *short_queue_).ok());
    short_.WaitUntilRan(1);
    while (!scheduler_.IsIdle()) std::this_thread::yield();
  }
  void HoldUpTheWorkers() {
    for (int i = 0; i < kWorkers; ++i) {
      ASSERT_TRUE(Submit(scheduler_, *slow_queue_).ok());
      started_.acquire();
    }
  }
  void Release() {
    release_ = true;
    release_.notify_all();
  }

  static constexpr int kWorkers = 2;
  base::FakeClock clock_;
  Scheduler scheduler_{{.workers = kWorkers, .has_express = true}, clock_};
  FakeHandler slow_;
  FakeHandler short_;
  std::shared_ptr<Scheduler::Queue> slow_queue_ = scheduler_.AddQueue(UpTo(0), slow_);
  std::shared_ptr<Scheduler::Queue> short_queue_ = scheduler_.AddQueue(UpTo(0), short_);
  std::counting_semaphore<> started_{0};
  std::atomic<bool> release_{false};
};

TEST_F(ExpressWorkerTest, ShortBatchesRunWhileAllWorkersAreHeldUp) {
  MakeKnown();
  HoldUpTheWorkers();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Submit(scheduler_, *short_queue_).ok());
    short_.WaitUntilRan(i + 2);
  }
  EXPECT_EQ(slow_.ran, 0);
}

TEST_F(ExpressWorkerTest, WhatIsNotShortWaitsForAWorker) {
  MakeKnown();
  HoldUpTheWorkers();
  ASSERT_TRUE(Submit(scheduler_, *slow_queue_).ok());
  ASSERT_TRUE(Submit(scheduler_, *short_queue_).ok());
  short_.WaitUntilRan(2);
  EXPECT_FALSE(started_.try_acquire()) << "the express worker does not take it";
  Release();
  slow_.WaitUntilRan(kWorkers + 1);
}

TEST_F(ExpressWorkerTest, AQueueThatNothingIsKnownOfIsNotShort) {
  HoldUpTheWorkers();
  ASSERT_TRUE(Submit(scheduler_, *short_queue_).ok());
  Release();
  slow_.WaitUntilRan(kWorkers);
  short_.WaitUntilRan(1);
}

TEST_F(ExpressWorkerTest, ABusyHostDoesNotMakeABatchLong) {
  std::atomic<base::Duration::rep> used{0};
  Scheduler scheduler(
      {.workers = 1, .processor_time = [&] { return base::Duration(used.load()); }, .has_express = true}, clock_);
  FakeHandler handler;
  handler.may_run_on_caller = true;
  handler.on_run = [&](const auto&) {
    used += base::Duration(std::chrono::milliseconds(1)).count();
    clock_.Advance(std::chrono::seconds(1));  // somebody else had the processor
  };
  FakeHandler slow;
  std::latch started(1);
  std::latch release(1);
  slow.on_run = [&](const auto&) {
    started.count_down();
    release.wait();
  };
  const auto queue = scheduler.AddQueue(UpTo(0), handler);
  const auto slow_queue = scheduler.AddQueue(UpTo(0), slow);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  handler.WaitUntilRan(1);
  while (!scheduler.IsIdle()) std::this_thread::yield();
  ASSERT_TRUE(Submit(scheduler, *slow_queue).ok());
  started.wait();
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  handler.WaitUntilRan(2);
  release.count_down();
  scheduler.Close(*queue);
  scheduler.Close(*slow_queue);
}

class LatencyPointTest : public testing::Test {
 protected:
  static BatchOptions WithPoint(int threads) {
    BatchOptions options = UpTo(8);
    options.latency = {.max_rows = 1, .threads = threads};
    return options;
  }
};

TEST_F(LatencyPointTest, ALoneBatchRunsThereAndSaysSo) {
  static thread_local int mine = 0;
  Scheduler scheduler({.workers = 4, .threads = 4, .set_threads = [](int threads) { mine = threads; }},
                      base::Clock::Real());
  FakeHandler handler;
  std::atomic<int> at_point{0};
  handler.on_pass = [&](Scheduler::Runner& runner) {
    if (!runner.is_at_latency_point()) return;
    EXPECT_EQ(mine, 4);
    ++at_point;
  };
  const auto queue = scheduler.AddQueue(WithPoint(4), handler);
  for (int i = 0; i < 1000 && at_point == 0; ++i) {
    ASSERT_TRUE(Submit(scheduler, *queue).ok());
    handler.WaitUntilRan(i + 1);
  }
  EXPECT_GT(at_point, 0);
  scheduler.Close(*queue);
}

// Workers that have run batches of several threads give these back when others need the processors.
TEST_F(LatencyPointTest, TeamsOfThreadsAreReleased) {
  constexpr int kWorkers = 3;
  std::mutex mutex;
  std::set<std::thread::id> teams;  // threads that have one
  static thread_local int mine = 1;
  Scheduler scheduler({.workers = kWorkers,
                       .threads = kWorkers,
                       .set_threads = [](int threads) { mine = threads; },
                       .release_threads =
                           [&] {
                             const std::scoped_lock lock(mutex);
                             teams.erase(std::this_thread::get_id());
                           }},
                      base::Clock::Real());
  FakeHandler handler;
  handler.on_run = [&](const auto&) {
    const std::scoped_lock lock(mutex);
    if (mine > 1) teams.insert(std::this_thread::get_id());
  };
  BatchOptions options = UpTo(0);
  options.threads = kWorkers;
  const auto queue = scheduler.AddQueue(options, handler);
  constexpr int kTasks = 3000;
  for (int i = 0; i < kTasks; ++i) ASSERT_TRUE(Submit(scheduler, *queue).ok());
  handler.WaitUntilRan(kTasks);
  const auto count = [&] {
    const std::scoped_lock lock(mutex);
    return teams.size();
  };
  while (count() > 1) std::this_thread::yield();
  scheduler.Close(*queue);
}

TEST(SetOptionsTest, TheNextBatchIsAsTheNewOptionsSay) {
  Scheduler scheduler({.workers = 1}, base::Clock::Real());
  FakeHandler handler;
  std::latch started(1);
  std::latch release(1);
  std::vector<size_t> sizes;
  handler.on_run = [&](const auto& batch) {
    sizes.push_back(batch.size());
    if (sizes.size() > 1) return;
    started.count_down();
    release.wait();
  };
  const auto queue = scheduler.AddQueue(UpTo(1), handler);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(Submit(scheduler, *queue).ok());
  started.wait();
  scheduler.SetOptions(*queue, UpTo(4));
  release.count_down();
  handler.WaitUntilRan(7);
  scheduler.Close(*queue);
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 4, 2}));
}

}  // namespace
}  // namespace torchferry::batching
