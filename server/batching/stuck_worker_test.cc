// Batches that do not end.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/test_clock.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(30);

// What a handler under test does in a pass that may be held up.
class StuckPass final : public base::Overrun {
 public:
  StuckPass(Scheduler& scheduler, Scheduler::Runner& runner) : scheduler_(scheduler), runner_(runner) {}
  std::function<void()> GiveUp(base::Duration) override {
    runner_.SetStuck(absl::UnavailableError("suspect"));
    return [scheduler = &scheduler_] { scheduler->LookForStuck(); };
  }

 private:
  Scheduler& scheduler_;
  Scheduler::Runner& runner_;
};

class StuckWorkerTest : public testing::Test {
 protected:
  explicit StuckWorkerTest(int workers = 1, int max_extra = 2) : workers_(workers), max_extra_(max_extra) {
    slow_.on_pass = [this](Scheduler::Runner& runner) {
      StuckPass overrun(*scheduler_, runner);
      runner.pass().Begin(clock_.Now(), kLimit, overrun);
      ++inside_;
      inside_.notify_all();
      release_.wait(false);
      runner.pass().End();
      --inside_;
    };
  }
  ~StuckWorkerTest() override {
    Release();
    for (const auto& queue : queues_) scheduler_->Close(*queue);
    scheduler_.reset();
  }

  std::shared_ptr<Scheduler::Queue> Add(FakeHandler& handler) {
    return queues_.emplace_back(scheduler_->AddQueue(UpTo(0), handler));
  }
  absl::Status Submit(Scheduler::Queue& queue) { return batching::Submit(*scheduler_, queue); }
  void WaitUntilInside(int count) {
    for (int now = inside_; now < count; now = inside_) inside_.wait(now);
  }
  void Release() {
    release_ = true;
    release_.notify_all();
  }
  void Pass(base::Duration duration) {
    clock_.Advance(duration);
    watch_.Look();
  }
  // Looks until it is so: workers come back by themselves.
  template <typename Condition>
  void LookUntil(Condition is_met) {
    while (!is_met()) {
      watch_.Look();
      std::this_thread::yield();
    }
  }

  const int workers_;
  const int max_extra_;
  base::FakeClock clock_;
  base::StuckWatch watch_{clock_};
  std::atomic<bool> release_{false};
  std::atomic<int> inside_{0};
  FakeHandler slow_;
  FakeHandler quick_;
  std::unique_ptr<Scheduler> scheduler_ = std::make_unique<Scheduler>(
      Scheduler::Options{.workers = workers_, .watch = &watch_, .max_extra_workers = max_extra_}, clock_);
  std::vector<std::shared_ptr<Scheduler::Queue>> queues_;
};

class TwoWorkersStuckTest : public StuckWorkerTest {
 protected:
  TwoWorkersStuckTest() : StuckWorkerTest(2, 2) {}
};

TEST_F(StuckWorkerTest, AReplacementServesTheOthers) {
  const auto slow = Add(slow_);
  const auto quick = Add(quick_);
  ASSERT_TRUE(Submit(*slow).ok());
  WaitUntilInside(1);
  ASSERT_TRUE(Submit(*quick).ok());
  Pass(2 * kLimit);
  quick_.WaitUntilRan(1);
  EXPECT_EQ(scheduler_->report().workers.stuck, 1);
  EXPECT_EQ(scheduler_->report().workers.alive, 2);
}

TEST_F(StuckWorkerTest, TheQueueIsSuspectUntilThePassHasEnded) {
  const auto slow = Add(slow_);
  ASSERT_TRUE(Submit(*slow).ok());
  WaitUntilInside(1);
  ASSERT_TRUE(Submit(*slow).ok());
  Pass(2 * kLimit);
  EXPECT_EQ(slow_.dropped, 1) << "what waited";
  EXPECT_EQ(slow_.last_code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(slow_.suspect_code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(Submit(*slow), absl::UnavailableError("suspect"));
  std::vector<std::unique_ptr<Task>> tasks;
  tasks.push_back(std::make_unique<FakeTask>());
  EXPECT_FALSE(scheduler_->Return(*slow, tasks).ok());
  EXPECT_FALSE(scheduler_->Park(*slow, tasks).ok());

  Release();
  LookUntil([&] { return slow_.suspect_news == 2; });
  EXPECT_EQ(slow_.suspect_code, absl::StatusCode::kOk);
  EXPECT_TRUE(Submit(*slow).ok());
  slow_.WaitUntilRan(2);
}

TEST_F(StuckWorkerTest, TheExtraWorkerGoesWhenTheStuckOneIsBack) {
  const auto slow = Add(slow_);
  ASSERT_TRUE(Submit(*slow).ok());
  WaitUntilInside(1);
  Pass(2 * kLimit);
  ASSERT_EQ(scheduler_->report().workers.alive, 2);
  Release();
  LookUntil([&] { return scheduler_->report().workers.alive == 1; });
  EXPECT_EQ(scheduler_->report().workers.stuck, 0);
  const auto quick = Add(quick_);
  ASSERT_TRUE(Submit(*quick).ok());
  quick_.WaitUntilRan(1);
}

TEST_F(StuckWorkerTest, ThereAreOnlySoManyReplacements) {
  std::vector<FakeHandler> slow(4);
  for (FakeHandler& handler : slow) {
    handler.on_pass = slow_.on_pass;
    const auto queue = Add(handler);
    ASSERT_TRUE(Submit(*queue).ok());
    if (&handler == &slow.back()) break;  // nobody runs it
    WaitUntilInside(static_cast<int>(queues_.size()));
    Pass(2 * kLimit);
  }
  const Scheduler::Report report = scheduler_->report();
  EXPECT_EQ(report.workers.stuck, 3);
  EXPECT_EQ(report.workers.alive, 3);
  EXPECT_TRUE(IsNoneFree(report.workers));
  EXPECT_TRUE(report.workers.others_wait);
  // What ends while it waits is answered all the same.
  auto hasty = std::make_unique<FakeTask>();
  hasty->deadline = clock_.Now() + std::chrono::seconds(1);
  std::unique_ptr<Task> task = std::move(hasty);
  ASSERT_TRUE(scheduler_->Submit(*queues_.back(), task).ok());
  Pass(std::chrono::seconds(2));
  EXPECT_EQ(slow.back().dropped, 1);
  EXPECT_EQ(slow.back().last_code, absl::StatusCode::kDeadlineExceeded);
  // All of them come back, and go; the watch makes the planned one anew.
  Release();
  LookUntil([&] { return slow.back().ran == 1 && scheduler_->report().workers.alive == 1; });
  for (const auto& queue : std::exchange(queues_, {})) scheduler_->Close(*queue);
}

// Long before any limit.
TEST_F(TwoWorkersStuckTest, OthersDoNotWaitBehindSlowModels) {
  const auto slow = Add(slow_);
  const auto quick = Add(quick_);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Submit(*slow).ok());
  WaitUntilInside(2);
  ASSERT_TRUE(Submit(*quick).ok());
  Pass(std::chrono::seconds(1));
  EXPECT_EQ(scheduler_->report().workers.alive, 2);
  Pass(std::chrono::seconds(5));
  quick_.WaitUntilRan(1);
  EXPECT_EQ(inside_, 2) << "the third of the slow ones waits for those before it";
  EXPECT_EQ(scheduler_->report().workers.stuck, 0);
  EXPECT_EQ(slow_.suspect_news, 0);
  Release();
  slow_.WaitUntilRan(3);
  LookUntil([&] { return scheduler_->report().workers.alive == 2; });
}

TEST_F(StuckWorkerTest, ClosingBeginsWithoutWaitingForWhatIsStuck) {
  const auto slow = Add(slow_);
  ASSERT_TRUE(Submit(*slow).ok());
  WaitUntilInside(1);
  Pass(2 * kLimit);
  scheduler_->BeginClose(*slow);
  EXPECT_FALSE(scheduler_->HasEnded(*slow, base::Clock::Real().Now()));
  Release();
  EXPECT_TRUE(scheduler_->HasEnded(*slow, base::kNoDeadline));
}

// On a thread that submits: there is no worker to replace.
TEST_F(StuckWorkerTest, AStuckCallerMakesItsQueueSuspectAndNeverRunsItAgain) {
  slow_.may_run_on_caller = true;
  const auto pass = std::exchange(slow_.on_pass, nullptr);
  const auto slow = Add(slow_);
  std::thread caller([&] {
    scheduler_->JoinAsCaller();
    while (!scheduler_->HasCallerWork()) {
      const int before = slow_.ran;
      ASSERT_TRUE(Submit(*slow).ok());
      if (!scheduler_->HasCallerWork()) slow_.WaitUntilRan(before + 1);
      while (!scheduler_->IsIdle()) std::this_thread::yield();
    }
    slow_.on_pass = pass;
    scheduler_->RunAsCaller();
    slow_.on_pass = nullptr;
    LookUntil([&] { return slow_.suspect_news == 2; });
    for (int i = 0; i < 1000; ++i) {
      const int before = slow_.ran;
      ASSERT_TRUE(Submit(*slow).ok());
      ASSERT_FALSE(scheduler_->HasCallerWork());
      slow_.WaitUntilRan(before + 1);
    }
  });
  WaitUntilInside(1);
  Pass(2 * kLimit);
  EXPECT_EQ(scheduler_->report().stuck_callers, 1);
  EXPECT_EQ(scheduler_->report().workers.alive, 1);
  EXPECT_FALSE(Submit(*slow).ok());
  Release();
  caller.join();
}

}  // namespace
}  // namespace torchferry::batching
