#include "server/base/stuck_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "server/base/test_clock.h"

namespace torchferry::base {
namespace {

constexpr Duration kLimit = std::chrono::seconds(10);

// Counts, and lets a test hold up who gives up.
class CountingOverrun final : public Overrun {
 public:
  std::function<void()> GiveUp(Duration so_far) override {
    ++given_up;
    took = so_far;
    if (during) during();
    return [this] { ++told; };
  }
  std::atomic<int> given_up{0};
  std::atomic<int> told{0};
  Duration took{};
  std::function<void()> during;
};

class StuckWatchTest : public testing::Test {
 protected:
  FakeClock clock_;
  StuckWatch watch_{clock_};
  std::shared_ptr<Pass> pass_ = watch_.Add();
  CountingOverrun overrun_;
};

TEST(PassTest, IsPastItsLimitOnlyBeyondIt) {
  const TimePoint began = TimePoint(std::chrono::seconds(5));
  EXPECT_FALSE(IsPastLimit({1, began, kLimit}, began + kLimit));
  EXPECT_TRUE(IsPastLimit({1, began, kLimit}, began + kLimit + Duration(1)));
  EXPECT_FALSE(IsPastLimit({1, began, Duration::zero()}, began + std::chrono::hours(1000)));
}

TEST_F(StuckWatchTest, APassThatEndsInTimeIsNotGivenUp) {
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  clock_.Advance(kLimit);
  watch_.Look();
  EXPECT_TRUE(pass_->End());
  clock_.Advance(kLimit);
  watch_.Look();
  EXPECT_EQ(overrun_.given_up, 0);
}

TEST_F(StuckWatchTest, APassBeyondItsLimitIsGivenUpOnceAndMayEndAfterAll) {
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  clock_.Advance(2 * kLimit);
  watch_.Look();
  watch_.Look();
  EXPECT_EQ(overrun_.given_up, 1);
  EXPECT_EQ(overrun_.told, 1);
  EXPECT_EQ(overrun_.took, 2 * kLimit);
  EXPECT_FALSE(pass_->End());
  // The next is one of its own.
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  watch_.Look();
  EXPECT_TRUE(pass_->End());
  EXPECT_EQ(overrun_.given_up, 1);
}

TEST_F(StuckWatchTest, ALookAtOnePassNeverGivesUpTheNext) {
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  const PassView seen = pass_->Look().value();
  EXPECT_TRUE(pass_->End());
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  EXPECT_EQ(pass_->GiveUp(seen, clock_.Now()), nullptr);
  EXPECT_TRUE(pass_->End());
  EXPECT_EQ(overrun_.given_up, 0);
}

TEST_F(StuckWatchTest, EndWaitsForWhoGivesUp) {
  std::latch is_giving_up(1);
  std::latch go_on(1);
  overrun_.during = [&] {
    is_giving_up.count_down();
    go_on.wait();
  };
  pass_->Begin(clock_.Now(), kLimit, overrun_);
  clock_.Advance(2 * kLimit);
  std::thread looks([&] { watch_.Look(); });
  is_giving_up.wait();
  std::atomic<bool> has_ended{false};
  std::thread ends([&] {
    EXPECT_FALSE(pass_->End());
    has_ended = true;
  });
  EXPECT_FALSE(has_ended);
  go_on.count_down();
  looks.join();
  ends.join();
  EXPECT_EQ(overrun_.told, 1);
}

TEST_F(StuckWatchTest, APassWhoseThreadHasGoneIsForgotten) {
  const std::weak_ptr<Pass> gone = pass_;
  pass_.reset();
  watch_.Look();
  EXPECT_TRUE(gone.expired());
}

// For ThreadSanitizer: passes that end just when they are given up.
TEST_F(StuckWatchTest, EveryPassIsEitherEndedOrGivenUp) {
  constexpr int kPasses = 20000;
  std::atomic<bool> is_done{false};
  std::thread looks([&] {
    while (!is_done) {
      clock_.Advance(2 * kLimit);
      watch_.Look();
    }
  });
  int given_up = 0;
  for (int i = 0; i < kPasses; ++i) {
    pass_->Begin(clock_.Now(), kLimit, overrun_);
    if (!pass_->End()) ++given_up;
  }
  is_done = true;
  looks.join();
  EXPECT_EQ(overrun_.given_up, given_up);
}

TEST(StuckWatchThreadTest, LooksByItself) {
  StuckWatch watch(Clock::Real());
  std::latch looked(2);
  const int subscription = watch.OnLook([&] {
    if (!looked.try_wait()) looked.count_down();
  });
  watch.Start();
  looked.wait();
  watch.Unsubscribe(subscription);
}

}  // namespace
}  // namespace torchferry::base
