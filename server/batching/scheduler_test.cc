#include "server/batching/scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <latch>

#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

TEST(SchedulerTest, RunsEverythingFromManyThreadsOnce) {
  Scheduler scheduler({.workers = 4}, base::Clock::Real());
  FakeHandler handler;
  std::latch all_ran(1);
  constexpr int kThreads = 8;
  constexpr int kEach = 500;
  std::atomic<int> left{kThreads * kEach};
  handler.on_run = [&](const auto& batch) {
    if ((left -= static_cast<int>(batch.size())) == 0) all_ran.count_down();
  };
  const auto queue = scheduler.AddQueue(UpTo(8), handler);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) EXPECT_TRUE(Submit(scheduler, *queue).ok());
    });
  }
  for (auto& thread : threads) thread.join();
  all_ran.wait();
  scheduler.Close(*queue);
  EXPECT_EQ(handler.ran, kThreads * kEach);
  EXPECT_EQ(handler.dropped, 0);
}

TEST(SchedulerTest, BatchesFormWhileTheWorkerIsBusy) {
  Scheduler scheduler({.workers = 1}, base::Clock::Real());
  FakeHandler handler;
  std::latch started(1);
  std::latch go_on(1);
  std::latch all_ran(2);
  std::vector<size_t> sizes;
  handler.on_run = [&](const auto& batch) {
    sizes.push_back(batch.size());
    if (sizes.size() == 1) {
      started.count_down();
      go_on.wait();
    }
    all_ran.count_down();
  };
  const auto queue = scheduler.AddQueue(UpTo(8), handler);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  started.wait();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Submit(scheduler, *queue).ok());
  go_on.count_down();
  all_ran.wait();
  scheduler.Close(*queue);
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 5}));
}

TEST(SchedulerTest, AQueueAtItsLimitLeavesWorkersToTheOthers) {
  Scheduler scheduler({.workers = 2}, base::Clock::Real());
  FakeHandler slow;
  FakeHandler fast;
  std::latch release(1);
  std::latch started(1);
  std::promise<void> fast_ran;
  slow.on_run = [&](const auto&) {
    if (slow.batches == 0) started.count_down();
    release.wait();
  };
  fast.on_run = [&](const auto&) { fast_ran.set_value(); };
  slow.max_at_once = 1;
  const auto slow_queue = scheduler.AddQueue(UpTo(1), slow);
  const auto fast_queue = scheduler.AddQueue(UpTo(1), fast);
  ASSERT_TRUE(Submit(scheduler, *slow_queue).ok());
  ASSERT_TRUE(Submit(scheduler, *slow_queue).ok());
  started.wait();
  ASSERT_TRUE(Submit(scheduler, *fast_queue).ok());
  fast_ran.get_future().wait();
  release.count_down();
  scheduler.Close(*slow_queue);
  scheduler.Close(*fast_queue);
  EXPECT_EQ(slow.ran + slow.dropped, 2);
}

// While as many batches run as may, and for however long.
TEST(SchedulerTest, AtTheLimitWhatEndsIsAnsweredStill) {
  Scheduler scheduler({.workers = 2}, base::Clock::Real());
  FakeHandler handler;
  handler.max_at_once = 1;
  std::latch started(1);
  std::latch release(1);
  handler.on_run = [&](const auto&) {
    if (handler.batches == 0) started.count_down();
    release.wait();
  };
  const auto queue = scheduler.AddQueue(UpTo(1), handler);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  started.wait();
  auto hasty = std::make_unique<FakeTask>();
  hasty->deadline = base::Clock::Real().Now() + std::chrono::milliseconds(30);
  std::unique_ptr<Task> task = std::move(hasty);
  ASSERT_TRUE(scheduler.Submit(*queue, task).ok());
  handler.WaitUntilDropped(1);
  EXPECT_EQ(handler.last_code, absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(Submit(scheduler, *queue, /*cancelled=*/true).ok());
  handler.WaitUntilDropped(2);
  EXPECT_EQ(handler.last_code, absl::StatusCode::kCancelled);
  EXPECT_EQ(handler.batches, 0);
  release.count_down();
  scheduler.Close(*queue);
  EXPECT_EQ(handler.ran, 1);
}

std::unique_ptr<Task> EndingIn(base::Duration time) {
  std::unique_ptr<Task> task = std::make_unique<FakeTask>();
  task->deadline = base::Clock::Real().Now() + time;
  return task;
}

// The one worker is held up until the end of the test.
class BusyWorkerTest : public testing::Test {
 protected:
  BusyWorkerTest() {
    handler_.on_run = [this](const auto&) {
      started_.count_down();
      release_.wait();
    };
    EXPECT_TRUE(Submit(scheduler_, *queue_).ok());
    started_.wait();
  }
  ~BusyWorkerTest() override {
    release_.count_down();
    scheduler_.Close(*queue_);
  }

  static BatchOptions OfTwo() {
    BatchOptions options = UpTo(1);
    options.max_queue_size = 2;
    return options;
  }

  Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  FakeHandler handler_;
  std::shared_ptr<Scheduler::Queue> queue_ = scheduler_.AddQueue(OfTwo(), handler_);
  std::latch started_{1};
  std::latch release_{1};
};

TEST_F(BusyWorkerTest, WhatEndsIsAnsweredAndItsPlaceIsFree) {
  std::unique_ptr<Task> task = EndingIn(std::chrono::hours(1));
  ASSERT_TRUE(scheduler_.Submit(*queue_, task).ok());
  task = EndingIn(std::chrono::milliseconds(30));  // before the other, which the timer sleeps for
  ASSERT_TRUE(scheduler_.Submit(*queue_, task).ok());
  EXPECT_FALSE(Submit(scheduler_, *queue_).ok()) << "it is full";
  handler_.WaitUntilDropped(1);
  EXPECT_EQ(handler_.last_code, absl::StatusCode::kDeadlineExceeded);
  task = EndingIn(std::chrono::milliseconds(30));
  EXPECT_TRUE(scheduler_.Submit(*queue_, task).ok());
  handler_.WaitUntilDropped(2);
  EXPECT_EQ(handler_.batches, 0);
}

TEST_F(BusyWorkerTest, WhatIsParkedOrGivenBackEndsToo) {
  std::vector<std::unique_ptr<Task>> tasks;
  tasks.push_back(EndingIn(std::chrono::milliseconds(30)));
  ASSERT_TRUE(scheduler_.Park(*queue_, tasks).ok());
  handler_.WaitUntilDropped(1);
  tasks.clear();
  tasks.push_back(EndingIn(std::chrono::milliseconds(30)));
  ASSERT_TRUE(scheduler_.Return(*queue_, tasks).ok());
  handler_.WaitUntilDropped(2);
  EXPECT_EQ(handler_.last_code, absl::StatusCode::kDeadlineExceeded);
}

TEST_F(BusyWorkerTest, WhoseCallerHasGoneIsDroppedAtTheNextLook) {
  ASSERT_TRUE(Submit(scheduler_, *queue_, /*cancelled=*/true).ok());
  scheduler_.LookForStuck();
  EXPECT_EQ(handler_.dropped, 1);
  EXPECT_EQ(handler_.last_code, absl::StatusCode::kCancelled);
  std::unique_ptr<Task> task = EndingIn(std::chrono::milliseconds(10));
  ASSERT_TRUE(scheduler_.Submit(*queue_, task).ok());
  ASSERT_TRUE(Submit(scheduler_, *queue_, /*cancelled=*/true).ok());
  handler_.WaitUntilDropped(3);  // by the timer, which is awake anyway
  EXPECT_EQ(handler_.batches, 0);
}

TEST(SchedulerTest, RunsMoreWhenTheLimitRises) {
  Scheduler scheduler({.workers = 2}, base::Clock::Real());
  FakeHandler handler;
  handler.max_at_once = 1;
  std::latch started(1);
  std::latch both(2);
  handler.on_run = [&](const auto&) {
    started.count_down(started.try_wait() ? 0 : 1);
    both.arrive_and_wait();
  };
  const auto queue = scheduler.AddQueue(UpTo(1), handler);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  started.wait();
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  handler.max_at_once = 2;
  scheduler.RecheckQueues();
  both.wait();
  scheduler.Close(*queue);
  EXPECT_EQ(handler.ran, 2);
}

TEST(SchedulerTest, CloseDropsWhatWaitsAndRefusesWhatComes) {
  Scheduler scheduler({.workers = 1}, base::Clock::Real());
  FakeHandler handler;
  std::latch started(1);
  std::latch release(1);
  handler.on_run = [&](const auto&) {
    started.count_down();
    release.wait();
  };
  const auto queue = scheduler.AddQueue(UpTo(1), handler);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  started.wait();
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  std::thread closer([&] { scheduler.Close(*queue); });
  handler.WaitUntilDropped(1);
  EXPECT_EQ(handler.last_code, absl::StatusCode::kUnavailable);
  release.count_down();
  closer.join();
  EXPECT_EQ(Submit(scheduler, *queue).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(handler.ran, 1);
}

TEST(SchedulerTest, CancelledTasksAreDropped) {
  Scheduler scheduler({.workers = 1}, base::Clock::Real());
  FakeHandler handler;
  const auto queue = scheduler.AddQueue(UpTo(1), handler);
  ASSERT_TRUE(Submit(scheduler, *queue, /*cancelled=*/true).ok());
  handler.WaitUntilDropped(1);
  EXPECT_EQ(handler.last_code, absl::StatusCode::kCancelled);
  scheduler.Close(*queue);
  EXPECT_EQ(handler.ran, 0);
}

// Queues whose batches use 1, 2 and 4 of 4 threads, all busy at once.
TEST(SchedulerTest, NoMoreThreadsRunThanThereAreAndNoQueueStarves) {
  constexpr int kThreads = 4;
  constexpr int kEach = 300;
  static thread_local int mine = 0;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::latch all_ran(1);
  std::atomic<int> left{3 * kEach};
  Scheduler scheduler({.workers = kThreads, .threads = kThreads, .set_threads = [](int threads) { mine = threads; }},
                      base::Clock::Real());
  std::array<FakeHandler, 3> handlers;
  std::vector<std::shared_ptr<Scheduler::Queue>> queues;
  for (size_t i = 0; i < handlers.size(); ++i) {
    const int threads = 1 << i;
    handlers[i].on_run = [&, threads](const auto&) {
      EXPECT_TRUE(mine == threads || mine == 1) << mine;  // one, while a busy host makes several slow
      const int used = mine;
      const int now = running += used;
      int before = most;
      while (now > before && !most.compare_exchange_weak(before, now)) {
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      running -= used;
      if (--left == 0) all_ran.count_down();
    };
    BatchOptions options = UpTo(0);
    options.threads = threads;
    queues.push_back(scheduler.AddQueue(options, handlers[i]));
  }
  for (int i = 0; i < kEach; ++i) {
    for (const auto& queue : queues) ASSERT_TRUE(Submit(scheduler, *queue).ok());
  }
  all_ran.wait();
  EXPECT_LE(most, kThreads);
  EXPECT_GT(most, 1);
  for (const auto& queue : queues) scheduler.Close(*queue);
}

TEST(SchedulerTest, AQueueThatWantsMoreThreadsThanThereAreGetsAll) {
  std::atomic<int> threads{0};
  Scheduler scheduler({.workers = 2, .threads = 3, .set_threads = [&](int count) { threads = count; }},
                      base::Clock::Real());
  FakeHandler handler;
  BatchOptions options = UpTo(0);
  options.threads = 64;
  const auto queue = scheduler.AddQueue(options, handler);
  ASSERT_TRUE(Submit(scheduler, *queue).ok());
  handler.WaitUntilRan(1);
  EXPECT_EQ(threads, 3);
  scheduler.Close(*queue);
}

TEST(SchedulerTest, NoTwoTasksOfAKeyRunAtTheSameTime) {
  constexpr int kKeys = 8;
  constexpr int kEach = 200;
  Scheduler scheduler({.workers = 4}, base::Clock::Real());
  FakeHandler handler;
  std::array<std::atomic<int>, kKeys + 1> inside{};
  std::array<int64_t, kKeys + 1> last{};  // unguarded: the key is the guard
  std::atomic<int> left{kKeys * kEach};
  std::latch all_ran(1);
  handler.on_run = [&](const auto& batch) {
    ASSERT_EQ(batch.size(), 1u);
    const size_t ordering_key = batch[0]->ordering_key;
    EXPECT_EQ(++inside[ordering_key], 1);
    EXPECT_EQ(batch[0]->rows, ++last[ordering_key]) << "out of order";
    --inside[ordering_key];
    if (--left == 0) all_ran.count_down();
  };
  const auto queue = scheduler.AddQueue(UpTo(0), handler);
  for (int i = 1; i <= kEach; ++i) {
    for (uint64_t ordering_key = 1; ordering_key <= kKeys; ++ordering_key) {
      std::unique_ptr<Task> task = std::make_unique<FakeTask>();
      task->ordering_key = ordering_key;
      task->rows = i;
      ASSERT_TRUE(scheduler.Submit(*queue, task).ok());
    }
  }
  all_ran.wait();
  scheduler.Close(*queue);
}

}  // namespace
}  // namespace torchferry::batching
