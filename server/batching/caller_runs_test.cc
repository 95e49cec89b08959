// Batches that run on the threads which submit them.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <latch>
#include <utility>

#include "server/base/test_clock.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

class CallerRunsTest : public testing::Test {
 protected:
  // What the tests do on a thread that joins and ends with them.
  void OnCaller(const std::function<void()>& body) {
    std::thread([&] {
      scheduler_.JoinAsCaller();
      body();
    }).join();
  }

  // Until batches count as quick: nothing is, before enough of them have been seen.
  void MakeQuick(Scheduler::Queue& queue) {
    for (int i = 0; i < 1000; ++i) {
      const int before = handler_.ran;
      Submit(queue);
      if (scheduler_.HasCallerWork()) return RunAll();
      handler_.WaitUntilRan(before + 1);
      // The worker has yet to say that it is done.
      while (!scheduler_.IsIdle()) std::this_thread::yield();
    }
    FAIL() << "batches that take no time never became quick";
  }

  void Submit(Scheduler::Queue& queue) { EXPECT_TRUE(batching::Submit(scheduler_, queue).ok()); }

  void RunAll() {
    while (scheduler_.HasCallerWork()) scheduler_.RunAsCaller();
  }

  explicit CallerRunsTest(int workers = 1) : workers_(workers) { handler_.may_run_on_caller = true; }

  const int workers_;
  base::FakeClock clock_;
  FakeHandler handler_;
  Scheduler scheduler_{{.workers = workers_}, clock_};
};

class TwoWorkersTest : public CallerRunsTest {
 protected:
  TwoWorkersTest() : CallerRunsTest(2) {}
};

TEST_F(CallerRunsTest, QuickBatchesRunWhereTheyCameFrom) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    const std::thread::id self = std::this_thread::get_id();
    std::vector<size_t> sizes;  // of the batches of this thread
    handler_.on_run = [&](const auto& batch) {
      if (std::this_thread::get_id() == self) sizes.push_back(batch.size());
    };
    // On a busy host a worker may take what this thread has no time for: another attempt then.
    const std::vector<size_t> expected = {8, 3};
    for (int attempt = 0; attempt < 100 && sizes != expected; ++attempt) {
      sizes.clear();
      const int before = handler_.ran;
      for (int i = 0; i < 11; ++i) Submit(*queue);
      RunAll();
      handler_.WaitUntilRan(before + 11);
    }
    EXPECT_EQ(sizes, expected);
  });
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, AThreadThatHasNotJoinedLeavesThemToWorkers) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] { MakeQuick(*queue); });
  const int before = handler_.ran;
  Submit(*queue);
  EXPECT_FALSE(scheduler_.HasCallerWork());
  handler_.WaitUntilRan(before + 1);
  EXPECT_NE(handler_.last_thread.load(), std::this_thread::get_id());
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, OneSlowBatchSendsTheNextToTheWorkers) {
  const auto queue = scheduler_.AddQueue(UpTo(1), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    std::array<std::atomic<std::thread::id>, 3> threads;
    std::atomic<size_t> batches = 0;
    handler_.on_run = [&](const auto&) {
      threads.at(batches++) = std::this_thread::get_id();
      clock_.Advance(std::chrono::milliseconds(5));
    };
    const int before = handler_.ran;
    Submit(*queue);
    Submit(*queue);  // known to this thread already, when the first turns out to be slow
    scheduler_.RunAsCaller();
    RunAll();
    handler_.WaitUntilRan(before + 2);
    EXPECT_EQ(threads[0].load(), std::this_thread::get_id());
    EXPECT_NE(threads[1].load(), std::this_thread::get_id());
    Submit(*queue);
    EXPECT_FALSE(scheduler_.HasCallerWork());
    handler_.WaitUntilRan(before + 3);
  });
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, AnswersDoNotMakeABatchSlow) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    handler_.on_pass = [](Scheduler::Runner& runner) { runner.HasComputed(); };
    handler_.on_run = [&](const auto&) { clock_.Advance(std::chrono::milliseconds(1)); };  // its answers
    const int before = handler_.ran;
    Submit(*queue);
    RunAll();
    handler_.WaitUntilRan(before + 1);
    while (!scheduler_.IsIdle()) std::this_thread::yield();
    Submit(*queue);
    EXPECT_TRUE(scheduler_.HasCallerWork());
    RunAll();
    handler_.WaitUntilRan(before + 2);
  });
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, WhatWaitsForCompanyOrMayNotIsForTheWorkers) {
  BatchOptions waits = UpTo(8);
  waits.max_queue_delay = std::chrono::microseconds(1);
  const auto waiting = scheduler_.AddQueue(waits, handler_);
  const auto forbidden = scheduler_.AddQueue(UpTo(8), handler_);
  handler_.may_run_on_caller = false;
  OnCaller([&] {
    for (int i = 0; i < 300; ++i) {
      Submit(i % 2 == 0 ? *waiting : *forbidden);
      clock_.Advance(std::chrono::microseconds(2));
      EXPECT_FALSE(scheduler_.HasCallerWork()) << i;
    }
  });
  scheduler_.Close(*waiting);
  scheduler_.Close(*forbidden);
  EXPECT_EQ(handler_.ran + handler_.dropped, 300);
}

TEST_F(CallerRunsTest, WorkersTakeWhatACallerDoesNotComeFor) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    const int before = handler_.ran;
    Submit(*queue);
    ASSERT_TRUE(scheduler_.HasCallerWork());
    scheduler_.HandOverToWorkers();
    handler_.WaitUntilRan(before + 1);
    EXPECT_NE(handler_.last_thread.load(), std::this_thread::get_id());
    EXPECT_FALSE(scheduler_.HasCallerWork());
  });
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, AWorkerTakesWhatACallerLeavesForLong) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    const int before = handler_.ran;
    Submit(*queue);
    EXPECT_TRUE(scheduler_.HasCallerWork());
    clock_.Advance(std::chrono::milliseconds(20));
    handler_.WaitUntilRan(before + 1);
    EXPECT_NE(handler_.last_thread.load(), std::this_thread::get_id());
    RunAll();
    EXPECT_EQ(handler_.ran, before + 1);
  });
  scheduler_.Close(*queue);
}

// Who asks again at once comes while the quick batch before his could still be running, and is answered though another
// one does not end.
TEST_F(TwoWorkersTest, AWorkerTakesWhatABatchThatDoesNotEndWasToTake) {
  const auto queue = scheduler_.AddQueue(UpTo(1), handler_);
  OnCaller([&] { MakeQuick(*queue); });
  std::latch begun(1);
  std::latch release(1);
  std::atomic<bool> is_first = true;
  handler_.on_run = [&](const auto&) {
    if (!is_first.exchange(false)) return;
    begun.count_down();
    release.wait();
  };
  Submit(*queue);
  begun.wait();
  const int before = handler_.ran;
  for (int i = 1; i <= 3; ++i) {
    Submit(*queue);  // at the time at which a batch began
    clock_.Advance(std::chrono::milliseconds(1));
    handler_.WaitUntilRan(before + i);
  }
  release.count_down();
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, WhatAnotherThreadSubmitsMeanwhileIsRunNext) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    const std::thread::id self = std::this_thread::get_id();
    std::atomic<int> runs = 0;
    std::atomic<int> own_runs = 0;
    handler_.on_run = [&](const auto&) {
      if (std::this_thread::get_id() == self) ++own_runs;
      if (runs++ == 0) std::thread([&] { Submit(*queue); }).join();
    };
    // On a busy host a worker may take what this thread has no time for: another attempt then.
    int after_first = 0;
    for (int attempt = 0; attempt < 100 && (after_first != 1 || own_runs != 2); ++attempt) {
      const int before = handler_.ran;
      runs = 0;
      own_runs = 0;
      Submit(*queue);
      scheduler_.RunAsCaller();
      after_first = handler_.ran - before;
      RunAll();
      handler_.WaitUntilRan(before + 2);
    }
    EXPECT_EQ(after_first, 1) << "no worker was woken for it";
    EXPECT_EQ(own_runs, 2) << "this thread ran both";
  });
  scheduler_.Close(*queue);
}

TEST_F(CallerRunsTest, AClosedQueueDropsWhatItsCallersLeft) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    const int before = handler_.ran;
    Submit(*queue);
    scheduler_.Close(*queue);
    EXPECT_EQ(handler_.dropped, 1);
    RunAll();
    EXPECT_EQ(handler_.ran, before);
  });
}

// A caller still knows a queue whose tasks workers took, or whose model was unloaded.
TEST_F(CallerRunsTest, TheHandlerOfAClosedQueueIsLeftAlone) {
  const auto queue = scheduler_.AddQueue(UpTo(8), handler_);
  OnCaller([&] {
    MakeQuick(*queue);
    Submit(*queue);
    ASSERT_TRUE(scheduler_.HasCallerWork());
    scheduler_.Close(*queue);
    handler_.is_gone = true;
    RunAll();
  });
}

TEST(CallerRunsStressTest, CallersAndWorkersRunEachTaskOnce) {
  Scheduler scheduler({.workers = 3}, base::Clock::Real());
  FakeHandler quick;
  FakeHandler uneven;
  quick.may_run_on_caller = true;
  uneven.may_run_on_caller = true;
  std::atomic<int> calls{0};
  uneven.on_run = [&](const auto&) {
    if (++calls % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  const auto quick_queue = scheduler.AddQueue(UpTo(8), quick);
  uneven.max_at_once = 1;
  const auto uneven_queue = scheduler.AddQueue(UpTo(8), uneven);
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, joins = t % 2 == 0] {
      if (joins) scheduler.JoinAsCaller();
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(Submit(scheduler, i % 4 == 0 ? *uneven_queue : *quick_queue).ok());
        if (i % 3 == 0) scheduler.RunAsCaller();
      }
      while (scheduler.HasCallerWork()) scheduler.RunAsCaller();
    });
  }
  for (auto& thread : threads) thread.join();
  quick.WaitUntilRan(kThreads * kEach * 3 / 4);
  uneven.WaitUntilRan(kThreads * kEach / 4);
  scheduler.Close(*quick_queue);
  scheduler.Close(*uneven_queue);
  EXPECT_EQ(quick.ran + uneven.ran, kThreads * kEach);
  EXPECT_EQ(quick.dropped + uneven.dropped, 0);
}

}  // namespace
}  // namespace torchferry::batching
