#include "server/app/step_progress.h"

#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

TEST(StepProgressTest, TheLineHasABarTheStepAndItsTime) {
  EXPECT_EQ(ProgressLine(0.3, "resnet18/1", 2, 3, 4), "[######--------------]  30 %  resnet18/1 (2 of 3), 4.0 s");
  EXPECT_EQ(ProgressLine(1, "m/1", 1, 1, 0), "[####################] 100 %  m/1 (1 of 1), 0.0 s");
}

TEST(StepProgressTest, AStepThatTakesLongerThanExpectedStaysAtItsEnd) {
  EXPECT_DOUBLE_EQ(ProgressShare(1, 2, 0, 10), 0);
  EXPECT_DOUBLE_EQ(ProgressShare(1, 2, 5, 10), 0.25);
  EXPECT_DOUBLE_EQ(ProgressShare(1, 2, 500, 10), 0.5);
  EXPECT_DOUBLE_EQ(ProgressShare(2, 2, 500, 10), 1);
  EXPECT_DOUBLE_EQ(ProgressShare(2, 2, 1, 0), 0.5) << "without a budget only steps count";
  EXPECT_DOUBLE_EQ(ProgressShare(1, 0, 1, 1), 1);
}

}  // namespace
}  // namespace torchferry::app
