#include "server/rpc/transport/gathering.h"

#include <gtest/gtest.h>

namespace torchferry::rpc {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr base::TimePoint kStart = base::TimePoint(std::chrono::hours(1));

// The last work had `requests`.
Gathering After(size_t requests) {
  Gathering gathering;
  gathering.Begin(1, requests);
  gathering.End();
  return gathering;
}

TEST(GatheringTest, ALoneEventIsWorkedOnAtOnce) {
  Gathering gathering = After(16);
  gathering.Begin(1, 1);
  EXPECT_FALSE(gathering.MayYield(kStart));
  gathering.Begin(2, 1);
  EXPECT_TRUE(gathering.MayYield(kStart));
}

TEST(GatheringTest, ItGivesWayAFewTimes) {
  Gathering gathering = After(16);
  gathering.Begin(3, 1);
  int rounds = 0;
  for (; gathering.MayYield(kStart); ++rounds) gathering.RecordYield(microseconds(20), 1, kStart);
  EXPECT_EQ(rounds, Gathering::kMaxRounds);

  gathering.Begin(3, 1);
  EXPECT_TRUE(gathering.MayYield(kStart)) << "each work begins anew";
}

TEST(GatheringTest, ABusyThreadOfOthersEndsItForAWhile) {
  Gathering gathering = After(16);
  gathering.Begin(3, 1);
  const base::TimePoint end = kStart + milliseconds(3);
  gathering.RecordYield(milliseconds(3), 1, end);
  EXPECT_FALSE(gathering.MayYield(end));
  gathering.Begin(3, 1);
  EXPECT_FALSE(gathering.MayYield(end + Gathering::kPause - microseconds(1)));
  EXPECT_TRUE(gathering.MayYield(end + Gathering::kPause));
}

TEST(GatheringTest, HalfOfWhatIsInFlightIsEnough) {
  Gathering gathering = After(16);
  gathering.Begin(3, 2);  // of 18 that are seen in flight
  ASSERT_TRUE(gathering.MayYield(kStart));
  gathering.RecordYield(microseconds(20), 8, kStart);
  ASSERT_TRUE(gathering.MayYield(kStart));
  gathering.RecordYield(microseconds(20), 9, kStart);
  EXPECT_FALSE(gathering.MayYield(kStart));
}

TEST(GatheringTest, TwoHalvesFollowEachOther) {
  Gathering gathering = After(8);
  for (int i = 0; i < 10; ++i) {
    gathering.Begin(9, 8);  // the other eight came meanwhile
    EXPECT_FALSE(gathering.MayYield(kStart));
    gathering.End();
  }
}

TEST(GatheringTest, ALoneClientIsAnsweredAtOnce) {
  Gathering gathering = After(1);
  gathering.Begin(2, 1);  // its last answer's end is an event, too
  EXPECT_FALSE(gathering.MayYield(kStart));
}

}  // namespace
}  // namespace torchferry::rpc
