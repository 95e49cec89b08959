// When idle work goes on, whose, and how it ends.
#include "server/app/idle_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <thread>

namespace torchferry::app {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

base::TimePoint At(int64_t ms) { return base::TimePoint(milliseconds(ms)); }

TEST(QuietTimeTest, APieceBeginsWhenNothingHasHappenedForAWhile) {
  QuietTime quiet;
  EXPECT_EQ(quiet.NextPieceAt({}, At(1000)), At(1100)) << "what was before is not known";
  EXPECT_EQ(quiet.NextPieceAt({}, At(1060)), At(1100));
  EXPECT_LE(quiet.NextPieceAt({}, At(1100)), At(1100)) << "now";
  EXPECT_LE(quiet.NextPieceAt({}, At(1500)), At(1500)) << "and again, while it stays so";
}

TEST(QuietTimeTest, ABatchOrALoadBeginsTheWaitAnew) {
  QuietTime quiet;
  quiet.NextPieceAt({.batches = 7}, At(0));
  EXPECT_EQ(quiet.NextPieceAt({.batches = 8}, At(200)), At(300)) << "one that began and ended between two looks";
  EXPECT_EQ(quiet.NextPieceAt({.is_busy = true, .batches = 8}, At(300)), At(400));
  EXPECT_EQ(quiet.NextPieceAt({.is_busy = true, .batches = 8}, At(400)), At(500));
  EXPECT_LE(quiet.NextPieceAt({.batches = 8}, At(500)), At(500));
}

std::shared_ptr<serving::IdleJobs> Jobs(std::vector<model::IdleJob> jobs) {
  return std::make_shared<serving::IdleJobs>(std::move(jobs), [](model::PlacedModel) {});
}

TEST(IdleWorkTest, WhatHasDoneLeastComesFirstAndThenWhatCameFirst) {
  std::vector<std::string> ran;
  std::latch all_done(1);
  const auto job = [&ran](std::string name) -> model::IdleJob {
    return [&ran, name](model::IdleTurn&) {
      ran.push_back(name);
      return false;
    };
  };
  std::atomic<bool> is_busy = true;  // until both are there
  IdleWork work({.look = [&] { return ServerActivity{.is_busy = is_busy}; },
                 .piece_limit = {},
                 .watch = nullptr,
                 .on_all_done = [&] { all_done.count_down(); }},
                base::Clock::Real());
  work.Add(Jobs({job("a warms up"), job("a is tuned")}));
  work.Add(Jobs({job("b warms up"), job("b is tuned")}));
  is_busy = false;
  all_done.wait();
  EXPECT_THAT(ran, ElementsAre("a warms up", "b warms up", "a is tuned", "b is tuned"));
}

TEST(IdleWorkTest, ABatchThatBeginsMeanwhileEndsTheQuiet) {
  std::atomic<uint64_t> batches = 0;
  std::vector<bool> said;
  std::latch done(1);
  IdleWork work({.look = [&] { return ServerActivity{.batches = batches}; },
                 .piece_limit = {},
                 .watch = nullptr,
                 .on_all_done = [&] { done.count_down(); }},
                base::Clock::Real());
  work.Add(Jobs({[&](model::IdleTurn& turn) {
    said.push_back(turn.IsQuiet());
    ++batches;
    said.push_back(turn.IsQuiet());
    return said.size() < 4;
  }}));
  done.wait();
  EXPECT_THAT(said, ElementsAre(true, false, true, false)) << "the next piece begins in quiet again";
}

TEST(IdleWorkTest, NothingRunsWhileTheServerIsBusyAndAStopIsPrompt) {
  std::latch looked(3);
  bool has_run = false;
  IdleWork work({.look =
                     [&] {
                       if (!looked.try_wait()) looked.count_down();
                       return ServerActivity{.is_busy = true};
                     },
                 .piece_limit = {},
                 .watch = nullptr,
                 .on_all_done = nullptr},
                base::Clock::Real());
  work.Add(Jobs({[&](model::IdleTurn&) { return has_run = true; }}));
  looked.wait();
  work.Stop();
  EXPECT_FALSE(has_run);
}

TEST(IdleWorkTest, AStopEndsTheQuietOfThePieceUnderWay) {
  std::latch runs(1);
  int pieces = 0;
  IdleWork work({.look = [] { return ServerActivity{}; }, .piece_limit = {}, .watch = nullptr, .on_all_done = nullptr},
                base::Clock::Real());
  work.Add(Jobs({[&](model::IdleTurn& turn) {
    ++pieces;
    runs.count_down();
    while (turn.IsQuiet()) std::this_thread::yield();
    return true;
  }}));
  runs.wait();
  work.Stop();
  EXPECT_EQ(pieces, 1);
}

TEST(IdleWorkTest, APieceBeyondItsTimeIsSeenUntilItEnds) {
  std::latch runs(1);
  std::latch go(1);
  std::latch done(1);
  base::StuckWatch watch(base::Clock::Real());
  IdleWork work({.look = [] { return ServerActivity{}; },
                 .piece_limit = milliseconds(1),
                 .watch = &watch,
                 .on_all_done = [&] { done.count_down(); }},
                base::Clock::Real());
  const auto jobs = Jobs({[&](model::IdleTurn&) {
    runs.count_down();
    go.wait();
    return false;
  }});
  work.Add(jobs);
  runs.wait();
  while (!jobs->is_stuck()) watch.Look();
  go.count_down();
  done.wait();
  EXPECT_FALSE(jobs->is_stuck());
}

}  // namespace
}  // namespace torchferry::app
