// Which session gives way when there is no place for another one.
#include <gtest/gtest.h>

#include "server/base/test_clock.h"
#include "server/serving/session.h"

namespace torchferry::serving {
namespace {

using std::chrono::seconds;

class SessionLimitTest : public ::testing::Test {
 protected:
  std::shared_ptr<SessionLimit> Limit(int64_t limit, base::Duration max_idle = std::chrono::hours(1)) const {
    return std::make_shared<SessionLimit>(limit, max_idle, clock_);
  }

  base::FakeClock clock_;
};

TEST_F(SessionLimitTest, TheOneThatIsIdleLongestGivesWay) {
  const auto places = Limit(2);
  const auto first = SessionLimit::Open(places);
  clock_.Advance(seconds(1));
  const auto second = SessionLimit::Open(places);
  EXPECT_EQ(SessionLimit::Open(places), nullptr);
  clock_.Advance(SessionLimit::kLeastIdle - seconds(1));
  const auto third = SessionLimit::Open(places);  // `first` is idle for just long enough
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(Session::Use(first), nullptr);
  EXPECT_NE(Session::Use(second), nullptr);
  EXPECT_EQ(places->open(), 2);
}

TEST_F(SessionLimitTest, OneThatIsUsedDoesNot) {
  const auto places = Limit(1);
  const auto first = SessionLimit::Open(places);
  auto use = Session::Use(first);
  auto copy = use;
  clock_.Advance(std::chrono::hours(24));
  EXPECT_EQ(SessionLimit::Open(places), nullptr);
  use.reset();
  EXPECT_EQ(SessionLimit::Open(places), nullptr);
  copy.reset();  // idle from now on
  EXPECT_EQ(SessionLimit::Open(places), nullptr);
  clock_.Advance(SessionLimit::kLeastIdle);
  EXPECT_NE(SessionLimit::Open(places), nullptr);
}

TEST_F(SessionLimitTest, ThoseThatAreIdleTooLongGiveWayToAnyOther) {
  const auto places = Limit(10, seconds(60));
  const auto first = SessionLimit::Open(places);
  const auto second = SessionLimit::Open(places);
  clock_.Advance(seconds(59));
  const auto third = SessionLimit::Open(places);
  EXPECT_NE(Session::Use(first), nullptr);  // which ends at once: it is idle from now on
  clock_.Advance(seconds(1));
  const auto fourth = SessionLimit::Open(places);
  EXPECT_NE(Session::Use(first), nullptr);
  EXPECT_EQ(Session::Use(second), nullptr);
  EXPECT_EQ(places->open(), 3);
}

TEST_F(SessionLimitTest, APlaceIsGivenBackOnce) {
  const auto places = Limit(1);
  auto first = SessionLimit::Open(places);
  clock_.Advance(SessionLimit::kLeastIdle);
  auto second = SessionLimit::Open(places);
  ASSERT_NE(second, nullptr);
  first.reset();
  EXPECT_EQ(places->open(), 1);
  EXPECT_EQ(SessionLimit::Open(places), nullptr);
  second.reset();
  EXPECT_EQ(places->open(), 0);
}

}  // namespace
}  // namespace torchferry::serving
