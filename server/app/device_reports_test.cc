#include "server/app/device_reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

using serving::DeviceReport;
using serving::DeviceState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

DeviceReport Report(int index, DeviceState state, const std::string& why) {
  return {tensor::DeviceId{"cuda", index}, state, why};
}

DeviceReport Up() { return Report(0, DeviceState::kUp, ""); }
DeviceReport OnProbation() { return Report(1, DeviceState::kProbation, "an illegal access\nand where it was"); }
DeviceReport Lost() { return Report(2, DeviceState::kLost, "it fell off the bus"); }

TEST(DeviceReportsTest, NothingIsDegradedWhileAllAreUp) {
  EXPECT_EQ(DegradedDevices({}), "");
  EXPECT_EQ(DegradedDevices({Up()}), "");
}

TEST(DeviceReportsTest, ALineForEachDeviceThatIsNotUp) {
  EXPECT_EQ(DegradedDevices({Up(), OnProbation(), Lost()}),
            "degraded: cuda:1 is on probation: an illegal access\n"
            "degraded: cuda:2 is lost: it fell off the bus\n");
}

TEST(DeviceReportsTest, NothingIsLoadedOnALostDevice) {
  EXPECT_THAT(LostDevices({Up(), OnProbation()}), IsEmpty());
  EXPECT_THAT(LostDevices({Up(), OnProbation(), Lost()}),
              ElementsAre(Pair("cuda:2", tensor::FallbackReason::kDeviceLost)));
}

TEST(DeviceReportsTest, ADeviceOnProbationIsNotLost) {
  EXPECT_FALSE(IsAnyLost({}));
  EXPECT_FALSE(IsAnyLost({Up(), OnProbation()}));
  EXPECT_TRUE(IsAnyLost({Up(), Lost()}));
}

}  // namespace
}  // namespace torchferry::app
