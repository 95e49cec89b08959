#include "server/app/stuck_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace torchferry::app {
namespace {

using batching::Scheduler;

Scheduler::Report Report(batching::WorkerCounts counts) { return {.workers = counts}; }

TEST(StuckReportTest, AnswersAsLongAsAWorkerIsFreeOrMayBeMade) {
  EXPECT_EQ(NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 2})), "");
  EXPECT_EQ(NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 3, .stuck = 2})), "");
  EXPECT_EQ(NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 2, .held_up = 2, .others_wait = true})), "");
  EXPECT_EQ(NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 3, .stuck = 1, .held_up = 2})), "")
      << "slow models alone are no reason";
}

TEST(StuckReportTest, DoesNotAnswerWhenNoWorkerIsLeft) {
  EXPECT_NE(NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 3, .stuck = 3})), "");
  EXPECT_NE(
      NotAnswering(Report({.planned = 2, .max_extra = 1, .alive = 3, .stuck = 1, .held_up = 2, .others_wait = true})),
      "");
}

TEST(StuckReportTest, ALineForEachThing) {
  registry::VersionStatus sound;
  sound.model = "a";
  sound.version = 1;
  sound.state = registry::VersionState::kReady;
  registry::VersionStatus suspect;
  suspect.model = "b";
  suspect.version = 2;
  suspect.state = registry::VersionState::kSuspect;
  suspect.error = absl::UnavailableError("it runs and runs");
  EXPECT_EQ(DegradedByStuck(Report({.planned = 2, .alive = 2}), 0, {sound}), "");
  const std::string lines = DegradedByStuck(
      {.workers = {.planned = 2, .max_extra = 8, .alive = 3, .stuck = 1, .held_up = 1}, .stuck_callers = 1}, 1,
      {sound, suspect});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5) << lines;
  EXPECT_NE(lines.find("degraded: model \"b\" version 2: it runs and runs\n"), std::string::npos) << lines;
  EXPECT_EQ(SuspectVersions({sound, suspect}), 1);
}

}  // namespace
}  // namespace torchferry::app
