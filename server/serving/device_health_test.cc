#include "server/serving/device_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "server/base/test_clock.h"
#include "server/serving/device_monitor.h"

namespace torchferry::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const tensor::DeviceId kSim{"sim", 0};

class DeviceHealthTest : public ::testing::Test {
 protected:
  DeviceHealthTest() {
    health_.Add(kSim);
    health_.Add(tensor::DeviceId::Cpu());
  }

  // Seconds until a canary is due.
  double Wait() {
    const base::TimePoint before = clock_.Now();
    while (!health_.IsCanaryDue(kSim)) clock_.Advance(std::chrono::milliseconds(10));
    return base::ToSeconds(clock_.Now() - before);
  }

  base::FakeClock clock_;
  metrics::Metrics metrics_;
  DeviceHealth health_{metrics_, clock_};
};

TEST_F(DeviceHealthTest, TheCpuAndUnknownDevicesAreUpWhateverIsReported) {
  for (const tensor::DeviceId& device : {tensor::DeviceId::Cpu(), tensor::DeviceId{"sim", 7}}) {
    health_.Report(device, model::DeviceFault::kLost, "gone");
    EXPECT_EQ(health_.Get(device), DeviceState::kUp);
  }
  ASSERT_EQ(health_.List().size(), 1u);
}

TEST_F(DeviceHealthTest, MemoryAndWhatItCannotDoSayNothingOfTheDevice) {
  health_.Report(kSim, model::DeviceFault::kOutOfMemory, "full");
  health_.Report(kSim, model::DeviceFault::kUnsupported, "no kernel");
  EXPECT_EQ(health_.Get(kSim), DeviceState::kUp);
}

TEST_F(DeviceHealthTest, ALostDeviceStaysLostAndIsToldOnce) {
  std::vector<DeviceState> told;
  const int subscription = health_.Subscribe([&](const DeviceReport& report) { told.push_back(report.state); });
  health_.Report(kSim, model::DeviceFault::kTransient, "busy");
  health_.Report(kSim, model::DeviceFault::kLost, "gone");
  health_.Report(kSim, model::DeviceFault::kLost, "gone again");
  health_.ReportSound(kSim);
  EXPECT_THAT(told, ElementsAre(DeviceState::kProbation, DeviceState::kLost));
  EXPECT_EQ(health_.List()[0].why, "gone");
  health_.Unsubscribe(subscription);
}

TEST_F(DeviceHealthTest, CanariesComeLaterEachTimeInVainAndSoonAfterALongCalm) {
  health_.Report(kSim, model::DeviceFault::kTransient, "busy");
  EXPECT_NEAR(Wait(), 0.25, 0.02);
  health_.CanaryFailed(kSim);
  EXPECT_NEAR(Wait(), 0.5, 0.02);
  health_.ReportSound(kSim);
  EXPECT_EQ(health_.Get(kSim), DeviceState::kUp);
  clock_.Advance(std::chrono::seconds(1));
  health_.Report(kSim, model::DeviceFault::kTransient, "busy again");
  EXPECT_NEAR(Wait(), 1.0, 0.02);
  health_.ReportSound(kSim);
  clock_.Advance(std::chrono::seconds(61));
  health_.Report(kSim, model::DeviceFault::kTransient, "busy after a while");
  EXPECT_NEAR(Wait(), 0.25, 0.02);
}

// The monitor's own time is real: it only has to come by.
TEST(DeviceMonitorTest, FindsALossWhileNobodyAsksAndBringsBackWhatHasRecovered) {
  metrics::Metrics metrics;
  const auto health = std::make_shared<DeviceHealth>(metrics, base::Clock::Real());
  health->Add(kSim);
  std::atomic<model::DeviceFault> fault{model::DeviceFault::kNone};
  DeviceMonitor monitor(
      health,
      [&](const tensor::DeviceId&) {
        return fault == model::DeviceFault::kNone ? absl::OkStatus() : model::DeviceFaultStatus(fault, "what it met");
      },
      std::chrono::milliseconds(10));
  const auto wait_for = [&](DeviceState state) {
    while (health->Get(kSim) != state) std::this_thread::yield();
  };
  fault = model::DeviceFault::kTransient;
  wait_for(DeviceState::kProbation);
  fault = model::DeviceFault::kOutOfMemory;  // it answers
  wait_for(DeviceState::kUp);
  fault = model::DeviceFault::kLost;
  wait_for(DeviceState::kLost);
  EXPECT_THAT(health->List()[0].why, HasSubstr("what it met"));
}

}  // namespace
}  // namespace torchferry::serving
