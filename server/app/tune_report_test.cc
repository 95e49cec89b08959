#include "server/app/tune_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

model::ModelInfo Tuned() {
  model::ModelInfo info;
  info.tuning.emplace();
  info.tuning->variant = "frozen";
  info.tuning->batch_rows = 16;
  info.tuning->rows_per_second = 58.25;
  return info;
}

TEST(TuneReportTest, BothPointsAreInALineBelowTheHeading) {
  model::ModelInfo info = Tuned();
  info.tuning->latency = {.variant = "inference", .intra_op_threads = 2, .seconds = 0.0234};
  EXPECT_EQ(TuneTable({{"resnet18", 3, info}}),
            "MODEL     VERSION  BATCHES                    ROWS/S  ONE ROW                         RESULT\n"
            "resnet18  3        frozen, 1 thread, 16 rows  58.2    inference, 2 threads: 23.40 ms  kept, final\n");
  EXPECT_FALSE(HasFailed({"resnet18", 3, info}));
}

TEST(TuneReportTest, WhatIsNotFinalOrWasKeptBeforeIsSaid) {
  model::ModelInfo info = Tuned();
  info.tuning->is_kept = true;
  EXPECT_THAT(TuneTable({{"m", 1, info}}), HasSubstr("kept before, final"));
  info.tuning->is_final = false;
  EXPECT_THAT(TuneTable({{"m", 1, info}}), HasSubstr("kept, not final"));
  EXPECT_FALSE(HasFailed({"m", 1, info}));
}

TEST(TuneReportTest, AResultThatCouldNotBeKeptIsAFailure) {
  model::ModelInfo info = Tuned();
  info.decisions = {"tuned in 2 s", "not kept, the next start searches again: m/1: read-only"};
  EXPECT_THAT(TuneTable({{"m", 1, info}}), HasSubstr("not kept, the next start searches again: m/1: read-only"));
  EXPECT_TRUE(HasFailed({"m", 1, info}));
}

TEST(TuneReportTest, WhyAVersionWasNotTunedIsNoFailureAndAnErrorIsOne) {
  model::ModelInfo stateful;
  stateful.decisions = {"on the CPU", "not tuned: it keeps state"};
  EXPECT_THAT(TuneTable({{"m", 1, stateful}}), HasSubstr("not tuned: it keeps state"));
  EXPECT_FALSE(HasFailed({"m", 1, stateful}));
  EXPECT_THAT(TuneTable({{"m", 1, model::ModelInfo{}}}), HasSubstr("not tuned: config.pbtxt turns it off"));
  const TunedVersion broken{"m", 0, absl::DataLossError("m/1/model.pt: damaged")};
  EXPECT_THAT(TuneTable({broken}), HasSubstr("failed: m/1/model.pt: damaged"));
  EXPECT_TRUE(HasFailed(broken));
}

}  // namespace
}  // namespace torchferry::app
