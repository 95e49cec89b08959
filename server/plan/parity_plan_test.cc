#include "server/plan/parity_plan.h"

#include <gmock/gmock.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using tensor::FallbackReason;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

PlanContext Host() {
  PlanContext context;
  context.devices = {{"cuda", 0}, {"cuda", 1}, tensor::DeviceId::Cpu()};
  context.device_types = {"cuda", "cpu"};
  context.has_native_bf16 = true;
  return context;
}

config::ModelConfig Config(const std::string& device, config::Precision precision) {
  config::ModelConfig config;
  config.device = device;
  config.precision = precision;
  return config;
}

// A version of FP32 weights, step by step.
class ParityPlanTest : public ::testing::Test {
 protected:
  ParityPlanTest() { planned_.weight_dtypes = {tensor::DType::kFp32}; }

  void Begin(const config::ModelConfig& config) {
    config_ = config;
    plan_ = Replan(planned_, config_, Host(), {}).value();
  }

  // What is tried after golden rows have refused the plan.
  absl::Status Refuse() {
    absl::StatusOr<LoadPlan> next =
        PlanAfterParity(planned_, config_, Host(), plan_, "off by " + std::to_string(++refused_), refusals_);
    if (next.ok()) plan_ = *std::move(next);
    return next.status();
  }

  std::string Where() const {
    return fmt::format("{} in {}", tensor::ToString(plan_.placement.device), plan_.precision.computes_in);
  }

  PlannedVersion planned_;
  config::ModelConfig config_;
  LoadPlan plan_;
  Refusals refusals_;
  int refused_ = 0;
};

TEST_F(ParityPlanTest, Fp32ComesAfterFewerBitsAndTheNextDeviceAfterThat) {
  Begin(Config("auto", config::Precision::kBf16));
  EXPECT_EQ(Where(), "cuda:0 in BF16");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cuda:0 in FP32");
  EXPECT_TRUE(plan_.placement.fallback);
  EXPECT_EQ(plan_.placement.fallback_from, "cuda:0 in BF16");
  EXPECT_EQ(plan_.placement.fallback_reason, FallbackReason::kParity);
  EXPECT_THAT(plan_.decisions, AllOf(Contains(HasSubstr("precision FP32: golden rows are answered beyond")),
                                     Contains("not on cuda:0 in BF16: off by 1")));
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cuda:1 in BF16");
  EXPECT_EQ(plan_.placement.fallback_from, "cuda:0");
  EXPECT_EQ(plan_.placement.fallback_reason, FallbackReason::kParity);
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cuda:1 in FP32");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cpu in BF16");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cpu in FP32");
  const absl::Status none = Refuse();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(none),
              AllOf(HasSubstr("wherever it may run"), HasSubstr("not on cuda:0 in BF16: off by 1"),
                    HasSubstr("not on cpu in FP32: off by 6"), HasSubstr("parity: WARN")));
}

TEST_F(ParityPlanTest, WithoutFallbackNothingElseIsTried) {
  config::ModelConfig config = Config("auto", config::Precision::kBf16);
  config.fallback = config::FallbackPolicy::kNone;
  Begin(config);
  const absl::Status none = Refuse();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(none), AllOf(HasSubstr("fallback: NONE"), HasSubstr("not on cuda:0 in BF16: off by 1"),
                                           HasSubstr("fallback: CPU")));
}

TEST_F(ParityPlanTest, ANamedDeviceIsFollowedByTheCpu) {
  Begin(Config("cuda:1", config::Precision::kAuto));
  EXPECT_EQ(Where(), "cuda:1 in FP32");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cpu in FP32");
  EXPECT_EQ(plan_.placement.fallback_from, "cuda:1");
  EXPECT_EQ(plan_.placement.fallback_reason, FallbackReason::kParity);
  EXPECT_FALSE(Refuse().ok());
}

TEST_F(ParityPlanTest, WhatIsToBeKeptIsNotCast) {
  planned_.weight_dtypes = {tensor::DType::kFp16};
  Begin(Config("cuda:1", config::Precision::kKeep));
  EXPECT_EQ(Where(), "cuda:1 in FP16");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cpu in FP16");
  EXPECT_FALSE(Refuse().ok());
}

TEST_F(ParityPlanTest, Fp16WeightsComputeInFp32AfterThat) {
  planned_.weight_dtypes = {tensor::DType::kFp16};
  Begin(Config("auto", config::Precision::kAuto));
  EXPECT_EQ(Where(), "cuda:0 in FP16");
  ASSERT_TRUE(Refuse().ok());
  EXPECT_EQ(Where(), "cuda:0 in FP32");
}

}  // namespace
}  // namespace torchferry::plan
