#include "server/plan/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using tensor::FallbackReason;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Candidates = std::vector<DeviceCandidate>;

const Candidates kCpuOnly(1, DeviceCandidate{tensor::DeviceId::Cpu()});

Candidates TwoGpus(FallbackReason first = FallbackReason::kNone, FallbackReason second = FallbackReason::kNone) {
  return {{{"cuda", 0}, first}, {{"cuda", 1}, second}, {tensor::DeviceId::Cpu()}};
}

const Candidates kTwoGpus = TwoGpus();

struct Case {
  std::string device;                // torchferry.device
  config::InstanceGroup::Kind kind;  // instance_group
  std::vector<int32_t> gpus;
  std::string flag;  // --device
  Candidates available;
  std::string used;
  bool fallback;
};

TEST(PlacementTest, PrecedenceAndFallbackTable) {
  using Kind = config::InstanceGroup::Kind;
  const std::vector<Case> cases = {
      {"", Kind::kAuto, {}, "auto", kCpuOnly, "cpu", false},
      {"", Kind::kAuto, {}, "auto", kTwoGpus, "cuda:0", false},
      {"", Kind::kAuto, {}, "cuda:1", kTwoGpus, "cuda:1", false},
      {"", Kind::kAuto, {}, "cuda:1", kCpuOnly, "cpu", true},
      {"", Kind::kCpu, {}, "cuda:1", kTwoGpus, "cpu", false},
      {"", Kind::kGpu, {1}, "cpu", kTwoGpus, "cuda:1", false},
      {"", Kind::kGpu, {}, "cpu", kTwoGpus, "cuda:0", false},
      {"", Kind::kGpu, {}, "auto", kCpuOnly, "cpu", true},
      {"cpu", Kind::kGpu, {1}, "auto", kTwoGpus, "cpu", false},
      {"cuda:5", Kind::kCpu, {}, "auto", kTwoGpus, "cpu", true},
      {"auto", Kind::kCpu, {}, "cpu", kTwoGpus, "cuda:0", false},
  };
  for (const Case& c : cases) {
    config::ModelConfig config;
    config.device = c.device;
    config.instance_groups = {{c.kind, 1, c.gpus}};
    const DeviceRequest request = RequestedDevice(config, c.flag);
    const auto plan = PlanPlacement(request, config, c.available, {});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(tensor::ToString(plan->device), c.used) << request.device << " by " << request.source;
    EXPECT_EQ(plan->fallback, c.fallback) << request.device << " by " << request.source;
    EXPECT_EQ(plan->fallback_reason, c.fallback ? FallbackReason::kAbsent : FallbackReason::kNone);
    EXPECT_EQ(plan->decisions.size(), 1u);
  }
}

TEST(PlacementTest, FallbackNoneFailsAndSaysWhatIsThere) {
  config::ModelConfig config;
  config.fallback = config::FallbackPolicy::kNone;
  const auto plan = PlanPlacement({"cuda:1", "--device"}, config, kCpuOnly, {});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(plan.status()), AllOf(HasSubstr("cuda:1"), HasSubstr("this host has cpu")));
}

TEST(PlacementTest, AutoTakesTheNextDeviceAndSaysWhetherItFellBack) {
  struct AutoCase {
    Candidates available;
    std::string used;
    std::string from;
    FallbackReason reason;
  };
  const std::vector<AutoCase> cases = {
      {TwoGpus(FallbackReason::kNoRoom), "cuda:1", "", FallbackReason::kNone},
      {TwoGpus(FallbackReason::kNoRoom, FallbackReason::kNoRoom), "cpu", "cuda:0", FallbackReason::kNoRoom},
      {TwoGpus(FallbackReason::kOutOfMemory), "cuda:1", "cuda:0", FallbackReason::kOutOfMemory},
      {TwoGpus(FallbackReason::kNoRoom, FallbackReason::kOutOfMemory), "cpu", "cuda:1", FallbackReason::kOutOfMemory},
      {TwoGpus(FallbackReason::kQuantized, FallbackReason::kQuantized), "cpu", "cuda:0", FallbackReason::kQuantized},
      {TwoGpus(FallbackReason::kDeviceLost, FallbackReason::kLoadFailed), "cpu", "cuda:0", FallbackReason::kDeviceLost},
  };
  for (const AutoCase& c : cases) {
    const auto plan = PlanPlacement({"auto", "--device"}, {}, c.available, {});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(tensor::ToString(plan->device), c.used);
    EXPECT_EQ(plan->fallback, c.reason != FallbackReason::kNone);
    EXPECT_EQ(plan->fallback_from, c.from);
    EXPECT_EQ(plan->fallback_reason, c.reason);
  }
}

TEST(PlacementTest, ADeviceThatRanOutOfMemoryFallsBackOrFails) {
  const DeviceRequest request{"cuda:0", "torchferry.device"};
  const auto plan = PlanPlacement(request, {}, TwoGpus(FallbackReason::kOutOfMemory), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(tensor::ToString(plan->device), "cpu");
  EXPECT_EQ(plan->fallback_from, "cuda:0");
  EXPECT_EQ(plan->fallback_reason, FallbackReason::kOutOfMemory);
  EXPECT_THAT(plan->decisions.front(), HasSubstr("ran out of memory"));
  config::ModelConfig config;
  config.fallback = config::FallbackPolicy::kNone;
  const auto refused = PlanPlacement(request, config, TwoGpus(FallbackReason::kOutOfMemory), {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("cuda:0"));
}

TEST(PlacementTest, SavedFollowsTheFileThroughMapLocation) {
  config::ModelConfig config;
  const DeviceRequest saved{"saved", "torchferry.device"};
  const std::vector<std::string> file = {"cuda:0"};
  EXPECT_EQ(tensor::ToString(PlanPlacement(saved, config, kTwoGpus, file)->device), "cuda:0");
  config.map_location = {{"cuda:0", "cuda:1"}, {"cuda", "cpu"}};
  EXPECT_EQ(tensor::ToString(PlanPlacement(saved, config, kTwoGpus, file)->device), "cuda:1");
  config.map_location = {{"cuda", "cpu"}};
  const auto on_cpu = PlanPlacement(saved, config, kTwoGpus, file);
  EXPECT_EQ(tensor::ToString(on_cpu->device), "cpu");
  EXPECT_FALSE(on_cpu->fallback);
}

}  // namespace
}  // namespace torchferry::plan
