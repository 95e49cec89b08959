#include "server/app/check_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

plan::LoadPlan Plan() {
  plan::LoadPlan plan;
  plan.format = checkpoint::FileFormat::kTorchScript;
  plan.placement.device = tensor::DeviceId::Cpu();
  plan.precision.computes_in = "FP32";
  plan.decisions = {"device cpu, as --device says"};
  return plan;
}

model::ModelInfo Info(FirstRow row) {
  model::ModelInfo info;
  info.file_path = "good/1/mlp.pt";
  info.format = "torchscript";
  info.precision = "FP32";
  if (row == FirstRow::kRan) info.row_seconds = 0.00042;
  if (row == FirstRow::kRefused) info.warnings = {"it does not run on a generated row"};
  if (row == FirstRow::kGuessRefused) info.decisions = {"not warmed up: it does not run on a row"};
  return info;
}

CheckedVersion LoadedWith(FirstRow row) { return Loaded("good", 1, tensor::DeviceId::Cpu(), Info(row)); }

TEST(CheckReportTest, EachVersionHasALineAndItsSentencesBelow) {
  const std::vector<CheckedVersion> versions = {
      LeftOut("good", 1, "version_policy leaves it out"), Planned("good", 2, "good/2/mlp.pt", Plan()),
      Failed("torn", 1, absl::DataLossError("torn/1/model.pt: is empty")),
      Failed("wrong", 0, absl::InvalidArgumentError("wrong/config.pbtxt:3:1: no field \"max_batch_sise\""))};
  const std::string text = CheckText(versions);
  EXPECT_THAT(text,
              ::testing::StartsWith("MODEL  VERSION  RESULT       DEVICE  FORMAT       WHAT\n"
                                    "good   1        not served   -       -            version_policy leaves it out\n"
                                    "good   2        would serve  cpu     torchscript  FP32\n"
                                    "torn   1        would fail   -       -            DATA_LOSS\n"
                                    "wrong  -        would fail   -       -            INVALID_ARGUMENT\n"
                                    "\n"
                                    "Model good, version 2: good/2/mlp.pt\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("\n  loading takes up to "), HasSubstr("\n  device cpu, as --device says\n")));
  EXPECT_THAT(text, EndsWith("\nModel torn, version 1: DATA_LOSS\n"
                             "  torn/1/model.pt: is empty\n"
                             "\nModel wrong: INVALID_ARGUMENT\n"
                             "  wrong/config.pbtxt:3:1: no field \"max_batch_sise\"\n"
                             "\n1 of 3 would serve; not served: 1\n"));
}

TEST(CheckReportTest, TheExitCodeIs0WhenAllThatIsWantedServes) {
  const CheckedVersion good = Planned("good", 1, "good/1/mlp.pt", Plan());
  const CheckedVersion left_out = LeftOut("docs", 0, "docs/ is no model");
  EXPECT_EQ(ExitCodeOf({good}), 0);
  EXPECT_EQ(ExitCodeOf({good, left_out}), 0);
  EXPECT_EQ(ExitCodeOf({good, Failed("torn", 1, absl::DataLossError("torn"))}), 1);
  EXPECT_EQ(ExitCodeOf({good, LoadedWith(FirstRow::kRefused)}), 1);
  EXPECT_EQ(ExitCodeOf({left_out}), 1) << "nothing would be served";
}

TEST(CheckReportTest, WhatCameOfTheRowIsSaid) {
  EXPECT_THAT(CheckText({LoadedWith(FirstRow::kRan)}), HasSubstr("torchscript  FP32, a row in 0.42 ms\n"));
  const std::string guessed = CheckText({LoadedWith(FirstRow::kGuessRefused)});
  EXPECT_THAT(guessed, AllOf(HasSubstr("would serve"), HasSubstr("a row failed, of sizes that were a guess")));
  const std::string untried = CheckText({LoadedWith(FirstRow::kNone)});
  EXPECT_THAT(untried, AllOf(HasSubstr("would serve"), HasSubstr("FP32, no row tried\n"),
                             HasSubstr("\n  no row was tried: an input is not declared in full")));
}

TEST(CheckReportTest, AModelThatRefusesItsRowWouldNotServe) {
  const CheckedVersion version = LoadedWith(FirstRow::kRefused);
  EXPECT_EQ(version.prospect, Prospect::kRefusesRows);
  EXPECT_THAT(CheckText({version}), AllOf(HasSubstr("refuses rows"), HasSubstr("FP32, a row failed, 1 warning\n"),
                                          HasSubstr("\n  warning: it does not run on a generated row\n"),
                                          EndsWith("\n0 of 1 would serve\n")));
}

TEST(CheckReportTest, AFallbackAndWarningsAreInTheLine) {
  plan::LoadPlan plan = Plan();
  plan.placement.fallback = true;
  plan.placement.fallback_from = "cuda:0";
  plan.placement.fallback_reason = tensor::FallbackReason::kAbsent;
  plan.warnings = {"one", "two"};
  plan.left_to_server = "whether LibTorch compiles the archive's code";
  const std::string text = CheckText({Planned("good", 1, "good/1/mlp.pt", plan)});
  EXPECT_THAT(text, HasSubstr(fmt::format("FP32, fallback from cuda:0: {}, 2 warnings\n",
                                          Name(tensor::FallbackReason::kAbsent))));
  EXPECT_THAT(text, AllOf(HasSubstr("\n  warning: one\n  warning: two\n"),
                          HasSubstr("\n  only --load tells whether LibTorch compiles the archive's code\n")));
}

TEST(CheckReportTest, TheLinesOfAnErrorStayLinesAndNothingReachesTheTerminal) {
  const std::string text = CheckText({Failed("a\x1b[2J", 1, absl::InvalidArgumentError("forward.py:2\n  x +\x1b[0m"))});
  EXPECT_THAT(text, AllOf(HasSubstr("a\\x1b[2J"), HasSubstr("\n  forward.py:2\n    x +\\x1b[0m\n")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(CheckReportTest, WarningsOfAFolderThatFailsAreSaidAfterTheReason) {
  CheckedVersion version = Failed("m", 0, absl::NotFoundError("m/ has no version"));
  version.warnings = {"m/v1/ is ignored"};
  EXPECT_THAT(CheckText({version}),
              HasSubstr("\nModel m: NOT_FOUND\n  m/ has no version\n  warning: m/v1/ is ignored\n"));
}

}  // namespace
}  // namespace torchferry::app
