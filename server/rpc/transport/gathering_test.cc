#include "server/rpc/transport/gathering.h"

#include <gtest/gtest.h>

namespace torchferry::rpc {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr base::TimePoint kStart = base::TimePoint(std::chrono::hours(1));

TEST(GatheringTest, ALoneEventIsWorkedOnAtOnce) {
  Gathering gathering;
  gathering.Begin(1);
  EXPECT_FALSE(gathering.GivesWay(kStart));
  gathering.Begin(2);
  EXPECT_TRUE(gathering.GivesWay(kStart));
}

TEST(GatheringTest, ItGivesWayAsLongAsMoreComesAFewTimes) {
  Gathering gathering;
  gathering.Begin(3);
  int rounds = 0;
  for (; gathering.GivesWay(kStart); ++rounds) gathering.GaveWay(microseconds(20), 1, kStart);
  EXPECT_EQ(rounds, Gathering::kMaxRounds);

  gathering.Begin(3);
  ASSERT_TRUE(gathering.GivesWay(kStart)) << "each work begins anew";
  gathering.GaveWay(microseconds(20), 0, kStart);
  EXPECT_FALSE(gathering.GivesWay(kStart));
}

TEST(GatheringTest, ABusyThreadOfOthersEndsItForAWhile) {
  Gathering gathering;
  gathering.Begin(3);
  const base::TimePoint end = kStart + milliseconds(3);
  gathering.GaveWay(milliseconds(3), 5, end);
  EXPECT_FALSE(gathering.GivesWay(end));
  gathering.Begin(3);
  EXPECT_FALSE(gathering.GivesWay(end + Gathering::kPause - microseconds(1)));
  EXPECT_TRUE(gathering.GivesWay(end + Gathering::kPause));
}

}  // namespace
}  // namespace torchferry::rpc
