#include "server/plan/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<DeviceId> kCpuOnly = {DeviceId::Cpu()};
const std::vector<DeviceId> kTwoGpus = {{"cuda", 0}, {"cuda", 1}, DeviceId::Cpu()};

struct Case {
  std::string device;        // torchferry.device
  InstanceGroup::Kind kind;  // instance_group
  std::vector<int32_t> gpus;
  std::string flag;  // --device
  std::vector<DeviceId> available;
  std::string used;
  bool fallback;
};

TEST(PlacementTest, PrecedenceAndFallbackTable) {
  using Kind = InstanceGroup::Kind;
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
    ModelConfig config;
    config.device = c.device;
    config.instance_groups = {{c.kind, 1, c.gpus}};
    const DeviceRequest request = RequestedDevice(config, c.flag);
    const auto plan = PlanPlacement(request, config, c.available, {});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(ToString(plan->device), c.used) << request.device << " by " << request.source;
    EXPECT_EQ(plan->fallback, c.fallback) << request.device << " by " << request.source;
    EXPECT_EQ(plan->fallback_reason, c.fallback ? "absent" : "");
    EXPECT_EQ(plan->decisions.size(), 1u);
  }
}

TEST(PlacementTest, FallbackNoneFailsAndSaysWhatIsThere) {
  ModelConfig config;
  config.fallback = FallbackPolicy::kNone;
  const auto plan = PlanPlacement({"cuda:1", "--device"}, config, kCpuOnly, {});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(plan.status()), AllOf(HasSubstr("cuda:1"), HasSubstr("this host has cpu")));
}

TEST(PlacementTest, SavedFollowsTheFileThroughMapLocation) {
  ModelConfig config;
  const DeviceRequest saved{"saved", "torchferry.device"};
  const std::vector<std::string> file = {"cuda:0"};
  EXPECT_EQ(ToString(PlanPlacement(saved, config, kTwoGpus, file)->device), "cuda:0");
  config.map_location = {{"cuda:0", "cuda:1"}, {"cuda", "cpu"}};
  EXPECT_EQ(ToString(PlanPlacement(saved, config, kTwoGpus, file)->device), "cuda:1");
  config.map_location = {{"cuda", "cpu"}};
  const auto on_cpu = PlanPlacement(saved, config, kTwoGpus, file);
  EXPECT_EQ(ToString(on_cpu->device), "cpu");
  EXPECT_FALSE(on_cpu->fallback);
}

}  // namespace
}  // namespace torchferry
