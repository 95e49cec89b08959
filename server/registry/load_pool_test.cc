#include "server/registry/load_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "server/base/test_clock.h"

namespace torchferry::registry {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(30);

class LoadPoolTest : public ::testing::Test {
 protected:
  ~LoadPoolTest() override { Release(); }

  void Make(int threads, int max_stuck) {
    pool_ = std::make_unique<LoadPool>(
        LoadPool::Options{
            .threads = threads, .max_stuck = max_stuck, .watch = &watch_, .on_idle = [this] { Count(idle_); }},
        clock_);
  }
  void Add(std::function<void()> run = nullptr) {
    pool_->Add({.limit = kLimit,
                .run =
                    [this, run = std::move(run)] {
                      if (run) run();
                      return [this] { Count(finished_); };
                    },
                .give_up = [this](base::Duration) { Count(given_up_); },
                .refuse = [this](const absl::Status&, bool) { Count(refused_); }});
  }
  void AddStuck() {
    Add([this] {
      Count(inside_);
      is_released_.wait(false);
    });
  }
  void Release() {
    is_released_ = true;
    is_released_.notify_all();
  }
  static void Count(std::atomic<int>& count) {
    ++count;
    count.notify_all();
  }
  static void WaitFor(const std::atomic<int>& count, int least) {
    for (int now = count; now < least; now = count) count.wait(now);
  }
  void Overrun() {
    clock_.Advance(2 * kLimit);
    watch_.Look();
  }

  base::FakeClock clock_;
  base::StuckWatch watch_{clock_};
  std::atomic<bool> is_released_{false};
  std::atomic<int> inside_{0};
  std::atomic<int> finished_{0};
  std::atomic<int> given_up_{0};
  std::atomic<int> refused_{0};
  std::atomic<int> idle_{0};  // how often the pool has become so
  std::unique_ptr<LoadPool> pool_;
};

TEST_F(LoadPoolTest, ASlowJobDoesNotHoldUpTheOthers) {
  Make(2, 0);
  AddStuck();
  WaitFor(inside_, 1);
  for (int i = 0; i < 10; ++i) Add();
  WaitFor(finished_, 10);
  Release();
  WaitFor(finished_, 11);
}

TEST_F(LoadPoolTest, AJobThatDoesNotEndIsGivenUpAndItsThreadReplaced) {
  Make(1, 1);
  AddStuck();
  WaitFor(inside_, 1);
  Add();
  Overrun();
  EXPECT_EQ(given_up_, 1);
  EXPECT_EQ(pool_->stuck(), 1);
  WaitFor(finished_, 1);
  Release();
  while (pool_->stuck() > 0) std::this_thread::yield();
  Add();
  WaitFor(finished_, 2);
  EXPECT_EQ(given_up_, 1);
}

TEST_F(LoadPoolTest, ThePoolIsIdleWhenTheLastJobHasEndedAndNotBefore) {
  Make(1, 1);
  EXPECT_TRUE(pool_->is_idle());
  std::atomic<bool> was_idle = true;
  std::atomic<bool> all_wait = false;
  Add([&] { all_wait.wait(false); });
  for (int i = 0; i < 2; ++i) Add([&] { was_idle = pool_->is_idle(); });
  all_wait = true;
  all_wait.notify_all();
  WaitFor(idle_, 1);
  EXPECT_TRUE(pool_->is_idle());
  EXPECT_FALSE(was_idle);
  EXPECT_EQ(finished_, 3);
  EXPECT_EQ(idle_, 1);
}

TEST_F(LoadPoolTest, AJobThatWasGivenUpKeepsThePoolFromNothing) {
  Make(1, 1);
  AddStuck();
  WaitFor(inside_, 1);
  EXPECT_FALSE(pool_->is_idle());
  Overrun();
  EXPECT_TRUE(pool_->is_idle());
  Add();
  WaitFor(idle_, 1);
  EXPECT_TRUE(pool_->is_idle());
  Release();
  while (pool_->stuck() > 0) std::this_thread::yield();
  EXPECT_TRUE(pool_->is_idle());
}

TEST_F(LoadPoolTest, WhatIsLateIsDropped) {
  Make(1, 1);
  AddStuck();
  WaitFor(inside_, 1);
  Overrun();
  Release();
  pool_->Stop();
  EXPECT_EQ(finished_, 0);
}

TEST_F(LoadPoolTest, WithoutAThreadLeftJobsAreRefused) {
  Make(1, 1);
  for (int i = 1; i <= 2; ++i) {
    AddStuck();
    WaitFor(inside_, i);
    if (i == 2) Add();  // waits
    Overrun();
  }
  EXPECT_EQ(refused_, 1);
  Add();
  EXPECT_EQ(refused_, 2);
  // One that comes back is replaced.
  Release();
  while (pool_->stuck() > 0) std::this_thread::yield();
  Add();
  WaitFor(finished_, 1);
}

TEST_F(LoadPoolTest, StopRefusesWhatWaitsAndWhatComes) {
  Make(1, 0);
  AddStuck();
  WaitFor(inside_, 1);
  Add();
  std::thread stopper([this] { pool_->Stop(); });
  WaitFor(refused_, 1);
  Add();
  EXPECT_EQ(refused_, 2);
  Release();
  stopper.join();
  EXPECT_EQ(finished_, 1);
}

}  // namespace
}  // namespace torchferry::registry
