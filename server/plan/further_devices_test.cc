#include "server/plan/further_devices.h"

#include <gmock/gmock.h>

namespace torchferry::plan {
namespace {

using tensor::FallbackReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const tensor::DeviceId kFirst{"cuda", 0};
const tensor::DeviceId kSecond{"cuda", 1};
const tensor::DeviceId kThird{"cuda", 2};
const std::vector<tensor::DeviceId> kDevices = {kFirst, kSecond, kThird, tensor::DeviceId::Cpu()};

std::vector<tensor::DeviceId> Fallbacks(const tensor::DeviceId& device, const std::string& requested,
                                        config::FallbackPolicy policy, const RuledOut& ruled_out = {}) {
  PlacementPlan placement;
  placement.device = device;
  placement.requested = requested;
  return FallbackDevices(kDevices, ruled_out, placement, policy);
}

TEST(FurtherDevicesTest, WhatWasPassedOverForWhatMayPassIsPreferredAndALostDeviceIsNot) {
  EXPECT_THAT(PreferredDevices(kDevices, {}), IsEmpty());
  EXPECT_THAT(PreferredDevices(kDevices, {{"cuda:2", FallbackReason::kLoadFailed},
                                          {"cuda:0", FallbackReason::kOutOfMemory},
                                          {"cuda:1", FallbackReason::kDeviceLost}}),
              ElementsAre(kFirst, kThird));
  EXPECT_THAT(PreferredDevices(kDevices, {{"cuda:0", FallbackReason::kParity}}), IsEmpty());
}

TEST(FurtherDevicesTest, AutoFallsBackToEveryDeviceThatHasNotFailed) {
  EXPECT_THAT(Fallbacks(kSecond, "auto", config::FallbackPolicy::kCpu, {{"cuda:0", FallbackReason::kOutOfMemory}}),
              ElementsAre(kThird, tensor::DeviceId::Cpu()));
}

TEST(FurtherDevicesTest, ANamedDeviceFallsBackToTheCpuUnlessTheConfigurationSaysNone) {
  EXPECT_THAT(Fallbacks(kSecond, "cuda:1", config::FallbackPolicy::kCpu), ElementsAre(tensor::DeviceId::Cpu()));
  EXPECT_THAT(Fallbacks(kSecond, "cuda:1", config::FallbackPolicy::kNone), IsEmpty());
}

TEST(FurtherDevicesTest, TheCpuHasNothingToFallBackTo) {
  EXPECT_THAT(Fallbacks(tensor::DeviceId::Cpu(), "auto", config::FallbackPolicy::kCpu), IsEmpty());
}

}  // namespace
}  // namespace torchferry::plan
