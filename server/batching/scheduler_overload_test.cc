#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/refusal.h"
#include "server/batching/scheduler.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// A worker that is in a batch until `go_on` counts down.
class HeldUpWorker {
 public:
  explicit HeldUpWorker(BatchOptions options) : scheduler_({.workers = 1}, base::Clock::Real()) {
    handler_.on_run = [this](const auto&) {
      std::this_thread::sleep_for(milliseconds(1));
      if (!holds_up_.exchange(false)) return;
      is_held_up_ = true;
      is_held_up_.notify_all();
      go_on_.wait();
    };
    queue_ = scheduler_.AddQueue(std::move(options), handler_);
  }
  ~HeldUpWorker() {
    if (is_held_up_) go_on_.count_down();
    scheduler_.Close(*queue_);
  }
  HeldUpWorker(const HeldUpWorker&) = delete;
  HeldUpWorker& operator=(const HeldUpWorker&) = delete;

  // So many batches that take at least a millisecond.
  void Run(int batches) {
    for (int i = 1; i <= batches; ++i) {
      EXPECT_TRUE(Submit().ok());
      handler_.WaitUntilRan(i);
    }
  }
  // The next batch does not end.
  void HoldUp() {
    holds_up_ = true;
    EXPECT_TRUE(Submit().ok());
    is_held_up_.wait(false);
  }
  absl::Status Submit(uint32_t priority = 0, base::TimePoint deadline = base::kNoDeadline) {
    std::unique_ptr<Task> task = std::make_unique<FakeTask>();
    task->priority = priority;
    task->deadline = deadline;
    return scheduler_.Submit(*queue_, task);
  }
  const FakeHandler& handler() const { return handler_; }

 private:
  FakeHandler handler_;
  std::latch go_on_{1};
  std::atomic<bool> holds_up_{false};
  std::atomic<bool> is_held_up_{false};
  Scheduler scheduler_;
  std::shared_ptr<Scheduler::Queue> queue_;
};

TEST(SchedulerOverloadTest, WhoGivesWayIsAnsweredAtOnce) {
  BatchOptions options;
  options.max_queue_size = 1;
  options.priority_levels = 2;
  HeldUpWorker worker(options);
  worker.HoldUp();
  EXPECT_TRUE(worker.Submit(2).ok());
  EXPECT_EQ(base::LimitOf(worker.Submit(2)), "queue_requests");
  EXPECT_EQ(worker.handler().dropped, 0);
  EXPECT_TRUE(worker.Submit(1).ok());
  EXPECT_EQ(worker.handler().dropped, 1);
  EXPECT_EQ(worker.handler().last_code, absl::StatusCode::kUnavailable);
}

TEST(SchedulerOverloadTest, WhatCannotRunByItsDeadlineIsRefused) {
  HeldUpWorker worker(BatchOptions{});
  worker.Run(40);
  worker.HoldUp();
  const base::Clock& clock = base::Clock::Real();
  EXPECT_TRUE(worker.Submit(0, clock.Now() + hours(1)).ok());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(worker.Submit().ok()) << "without a deadline it waits";
  const absl::Status refused = worker.Submit(0, clock.Now() + milliseconds(20));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::LimitOf(refused), "wait");
  EXPECT_GE(base::PushbackOf(refused).value_or(milliseconds(0)), milliseconds(1));
  EXPECT_TRUE(worker.Submit(0, clock.Now() + hours(1)).ok()) << "it has time";
  EXPECT_TRUE(worker.Submit(0, clock.Now() - milliseconds(1)).ok()) << "it has ended: the queue says so";
}

TEST(SchedulerOverloadTest, BeforeEnoughIsMeasuredNothingIsRefused) {
  HeldUpWorker worker(BatchOptions{});
  worker.Run(8);
  worker.HoldUp();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(worker.Submit().ok());
  EXPECT_TRUE(worker.Submit(0, base::Clock::Real().Now() + milliseconds(20)).ok());
}

}  // namespace
}  // namespace torchferry::batching
