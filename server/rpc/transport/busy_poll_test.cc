#include "server/rpc/transport/busy_poll.h"

#include <gtest/gtest.h>

namespace torchferry::rpc {
namespace {

using std::chrono::microseconds;

constexpr base::Duration kWindow = microseconds(100);

TEST(BusyPollTest, PollsForTheWindowAfterWork) {
  BusyPoll poll(kWindow);
  const base::TimePoint start{};
  EXPECT_FALSE(poll.IsPolling(start)) << "there was no work yet";
  poll.RecordWork(start);
  EXPECT_TRUE(poll.IsPolling(start + microseconds(99)));
  EXPECT_FALSE(poll.IsPolling(start + microseconds(100)));
  EXPECT_FALSE(poll.IsPolling(start + microseconds(101)));
}

TEST(BusyPollTest, WorkThatComesSoonKeepsItUp) {
  BusyPoll poll(kWindow);
  base::TimePoint now{};
  for (int i = 0; i < 1000; ++i) {
    poll.RecordWork(now);
    now += microseconds(90);
    EXPECT_TRUE(poll.IsPolling(now)) << i;
  }
}

TEST(BusyPollTest, RareWorkCostsAFewTries) {
  BusyPoll poll(kWindow);
  base::TimePoint now{};
  int tries = 0;
  for (int i = 0; i < 640; ++i) {
    poll.RecordWork(now);
    tries += poll.IsPolling(now) ? 1 : 0;
    now += std::chrono::milliseconds(1);
    EXPECT_FALSE(poll.IsPolling(now));
  }
  // After 1, 3, 7, 15, 31 and then every 63 works without.
  EXPECT_EQ(tries, 15);
}

TEST(BusyPollTest, OneHitAfterMissesMakesItTryEachTimeAgain) {
  BusyPoll poll(kWindow);
  base::TimePoint now{};
  for (int i = 0; i < 200; ++i) {
    poll.RecordWork(now);
    now += std::chrono::milliseconds(1);
    poll.IsPolling(now);
  }
  // From now on work comes quickly: the next try succeeds, and all after it.
  int tries = 0;
  for (int i = 0; i < 200; ++i) {
    poll.RecordWork(now);
    now += microseconds(50);
    tries += poll.IsPolling(now) ? 1 : 0;
  }
  EXPECT_GE(tries, 200 - 64);
}

TEST(BusyPollTest, ZeroNeverPolls) {
  BusyPoll poll(base::Duration::zero());
  poll.RecordWork(base::TimePoint{});
  EXPECT_FALSE(poll.IsPolling(base::TimePoint{}));
}

}  // namespace
}  // namespace torchferry::rpc
