#include "server/rpc/transport/gathering_share.h"

#include <gtest/gtest.h>

#include <chrono>

namespace torchferry::rpc {
namespace {

using std::chrono::milliseconds;

constexpr base::TimePoint kStart = base::TimePoint(std::chrono::hours(1));
constexpr base::Duration kStep = milliseconds(1);
constexpr size_t kInFlight = 16;

bool GathersAll(const GatheringShare& share) { return share.Enough(kInFlight) == kInFlight; }

// A load under which half of the requests in a batch bring `of_half` requests each millisecond, and all bring `of_all`.
class Load {
 public:
  Load(GatheringShare& share, size_t of_half, size_t of_all) : share_(share), of_half_(of_half), of_all_(of_all) {}

  void Run(base::Duration duration) {
    for (const base::TimePoint end = now_ + duration; now_ < end;) {
      const size_t requests = GathersAll(share_) ? of_all_ : of_half_;
      now_ += kStep;
      share_.RecordWork(requests, now_);
    }
  }
  // Until the trials have ended, if they begin now.
  void RunTrials() { Run(kStep + GatheringShare::kTrials * GatheringShare::kTrial); }
  void Pause(base::Duration duration) { now_ += duration; }

 private:
  GatheringShare& share_;
  const size_t of_half_;
  const size_t of_all_;
  base::TimePoint now_ = kStart;
};

TEST(GatheringShareTest, HalfIsEnoughAtFirst) {
  const GatheringShare share;
  EXPECT_EQ(share.Enough(1), 1U);
  EXPECT_EQ(share.Enough(9), 5U);
  EXPECT_EQ(share.Enough(16), 8U);
}

TEST(GatheringShareTest, BothAreTriedInTurns) {
  GatheringShare share;
  Load load(share, 20, 20);
  load.Run(kStep);
  for (int trial = 0; trial < GatheringShare::kTrials; ++trial) {
    EXPECT_EQ(GathersAll(share), trial % 2 == 1) << trial;
    load.Run(GatheringShare::kTrial);
  }
}

TEST(GatheringShareTest, WhatBringsMoreIsKept) {
  GatheringShare all_is_better;
  Load of_all(all_is_better, 20, 24);
  of_all.RunTrials();
  EXPECT_TRUE(GathersAll(all_is_better));
  of_all.Run(GatheringShare::kKept - kStep);
  EXPECT_TRUE(GathersAll(all_is_better));

  GatheringShare half_is_better;
  Load of_half(half_is_better, 24, 20);
  of_half.RunTrials();
  EXPECT_FALSE(GathersAll(half_is_better));
}

TEST(GatheringShareTest, HalfIsKeptWhereAllBringsHardlyMore) {
  GatheringShare share;
  Load(share, 100, 104).RunTrials();
  EXPECT_FALSE(GathersAll(share));
}

TEST(GatheringShareTest, AnotherLoadIsTriedAnew) {
  GatheringShare share;
  Load(share, 20, 30).RunTrials();
  ASSERT_TRUE(GathersAll(share));
  Load other(share, 30, 20);
  other.Pause(GatheringShare::kTrials * GatheringShare::kTrial);
  other.Run(GatheringShare::kKept + kStep);
  other.RunTrials();
  EXPECT_FALSE(GathersAll(share));
}

TEST(GatheringShareTest, FewRequestsSayNothing) {
  GatheringShare share;
  Load(share, 1, 2).RunTrials();
  EXPECT_FALSE(GathersAll(share)) << "80 requests of all";
}

TEST(GatheringShareTest, ATrialWithAPauseIsWorthless) {
  GatheringShare share;
  Load load(share, 20, 30);
  load.Run(GatheringShare::kTrial / 2);
  load.Pause(GatheringShare::kTrial * 3);
  load.Run(GatheringShare::kTrial);
  EXPECT_FALSE(GathersAll(share)) << "the first trial, again";
  load.RunTrials();
  EXPECT_TRUE(GathersAll(share));
}

}  // namespace
}  // namespace torchferry::rpc
