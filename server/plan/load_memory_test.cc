#include "server/plan/load_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>

#include "server/base/status.h"
#include "server/plan/load_budget.h"

namespace torchferry::plan {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
const tensor::DeviceId kCpu = tensor::DeviceId::Cpu();
const tensor::DeviceId kGpu = {"cuda", 0};

PrecisionPlan ToFp32(std::vector<tensor::DType> from) {
  PrecisionPlan plan;
  plan.from = std::move(from);
  return plan;
}

LoadMemoryFacts Fp16(uint64_t bytes) { return {.weight_bytes = bytes, .typed = {{tensor::DType::kFp16, bytes}}}; }

TEST(LoadMemoryTest, WeightsAreThereOnceAsLongAsTheyStayAsTheyAre) {
  const LoadMemory memory =
      EstimateLoadMemory({.weight_bytes = 600 * kMiB, .typed = {{tensor::DType::kFp32, 600 * kMiB}}}, kCpu, {}, {}, {});
  EXPECT_EQ(memory.read_bytes, 600 * kMiB);
  EXPECT_EQ(memory.cast_bytes, 0U);
  EXPECT_GE(memory.peak_bytes(), 600 * kMiB);
  EXPECT_LT(memory.peak_bytes(), 640 * kMiB);
}

TEST(LoadMemoryTest, ACastKeepsBoth) {
  const PrecisionPlan cast = ToFp32({tensor::DType::kFp16});
  EXPECT_EQ(EstimateLoadMemory(Fp16(300 * kMiB), kCpu, cast, cast, {}).cast_bytes, 600 * kMiB);
  // A frozen module's constants are of no known type.
  EXPECT_EQ(EstimateLoadMemory({.weight_bytes = 300 * kMiB, .typed = {}}, kCpu, cast, cast, {}).cast_bytes, 600 * kMiB);
}

TEST(LoadMemoryTest, AStandbyOfAnAcceleratorIsInTheHostsMemory) {
  const PrecisionPlan cast = ToFp32({tensor::DType::kFp16});
  EXPECT_EQ(EstimateLoadMemory(Fp16(300 * kMiB), kGpu, {}, cast, {}).cast_bytes, 600 * kMiB);
  EXPECT_EQ(EstimateLoadMemory(Fp16(3000 * kMiB), kGpu, {}, cast, {}).cast_bytes, 0U);  // too large for one
  config::ModelConfig warm;
  warm.fallback_warm = true;
  EXPECT_EQ(EstimateLoadMemory(Fp16(3000 * kMiB), kGpu, {}, cast, warm).cast_bytes, 6000 * kMiB);
}

TEST(LoadMemoryTest, WhatIsCopiedOverAnArchitectureIsThereTwice) {
  EXPECT_EQ(EstimateLoadMemory({.weight_bytes = 100 * kMiB, .typed = {}, .copied_bytes = 40 * kMiB}, kCpu, {}, {}, {})
                .read_bytes,
            140 * kMiB);
}

TEST(LoadMemoryTest, RequestsOfModelWarmupCount) {
  config::ModelConfig config;
  config::WarmUp& warm_up = config.warm_ups.emplace_back();
  warm_up.batch_size = int64_t{1} << 30;
  config::WarmUpInput& input = warm_up.inputs.emplace_back();
  input.dtype = tensor::DType::kFp32;
  input.dims = {1024};
  EXPECT_EQ(EstimateLoadMemory({}, kCpu, {}, {}, config).warm_up_bytes, uint64_t{1} << 43);
  input.dims = {int64_t{1} << 62};  // more bytes than there are numbers for
  EXPECT_GE(EstimateLoadMemory({}, kCpu, {}, {}, config).peak_bytes(), uint64_t{1} << 60);
}

TEST(LoadMemoryTest, IsSaidInParts) {
  const PrecisionPlan cast = ToFp32({tensor::DType::kFp16});
  EXPECT_EQ(ToString(EstimateLoadMemory(Fp16(300 * kMiB), kCpu, cast, cast, {})),
            "924.0 MiB: 300.0 MiB for the weights as they were saved, 600.0 MiB for them in other types, 24.0 MiB "
            "besides");
}

LoadMemory Weights(uint64_t bytes) { return {.read_bytes = bytes}; }

TEST(LoadBudgetTest, WhatHasNoRoomIsToldTheNumbersAndTheWaysOut) {
  LoadBudget budget([] { return 512 * kMiB; }, [] { return false; });
  EXPECT_TRUE(budget.Reserve("m/1/w", Weights(512 * kMiB)).ok());
  const absl::Status status = budget.Reserve("m/1/w", Weights(513 * kMiB)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), ::testing::StartsWith("no_room: m/1/w: loading it takes up to 513.0 MiB"));
  EXPECT_THAT(base::MessageOf(status), HasSubstr("512.0 MiB of this server's memory are free"));
  EXPECT_THAT(base::MessageOf(status), HasSubstr("--no-check-load-memory"));
}

TEST(LoadBudgetTest, WhereNobodyKnowsThereIsRoomAndForSmallVersionsAlways) {
  LoadBudget unknown([] { return std::optional<uint64_t>(); }, [] { return false; });
  EXPECT_TRUE(unknown.Reserve("m/1/w", Weights(uint64_t{1} << 50)).ok());
  LoadBudget full([] { return uint64_t{0}; }, [] { return false; });
  EXPECT_TRUE(full.Reserve("m/1/w", {.read_bytes = kAlwaysRoomFor - 1, .other_bytes = 24 * kMiB}).ok());
  EXPECT_FALSE(full.Reserve("m/1/w", Weights(kAlwaysRoomFor)).ok());
}

TEST(LoadBudgetTest, WhatLoadsAtTheSameTimeIsReserved) {
  LoadBudget budget([] { return 500 * kMiB; }, [] { return false; }, /*max_wait=*/base::Duration::zero());
  auto first = budget.Reserve("a", Weights(300 * kMiB));
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(budget.Reserve("b", Weights(200 * kMiB)).ok());
  EXPECT_FALSE(budget.Reserve("c", Weights(300 * kMiB)).ok());
  first->reset();
  EXPECT_TRUE(budget.Reserve("c", Weights(300 * kMiB)).ok());
}

TEST(LoadBudgetTest, WaitsForOthersThatMayLeaveRoom) {
  LoadBudget budget([] { return 500 * kMiB; }, [] { return false; });
  auto first = budget.Reserve("a", Weights(300 * kMiB)).value();
  const std::jthread other([&] { first.reset(); });
  EXPECT_TRUE(budget.Reserve("b", Weights(400 * kMiB)).ok());
}

TEST(LoadBudgetTest, DoesNotWaitForWhatCannotHelpNorWhileTheServerStops) {
  bool is_stopping = false;
  LoadBudget budget([] { return 500 * kMiB; }, [&is_stopping] { return is_stopping; });
  const auto first = budget.Reserve("a", Weights(100 * kMiB));
  EXPECT_FALSE(budget.Reserve("b", Weights(601 * kMiB)).ok());
  is_stopping = true;
  EXPECT_FALSE(budget.Reserve("b", Weights(500 * kMiB)).ok());
}

}  // namespace
}  // namespace torchferry::plan
