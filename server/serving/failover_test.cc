// What becomes of requests when a device fails, and of the device.
#include <gmock/gmock.h>

#include "server/serving/test_failover.h"

namespace torchferry::serving {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(FailoverTest, OutOfMemoryHalvesTheBatchAndTheDeviceStaysInUse) {
  Make(OutOfMemoryOver(2));
  const auto results = Together({{1}, {2}, {3}, {4}});
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_THAT(Values(results[i]), ElementsAre(2 * (i + 1)));
    EXPECT_EQ(results[i]->execution.device, "sim:0");
    EXPECT_FALSE(results[i]->execution.fallback);
  }
  EXPECT_THAT(log_, ElementsAre("sim:0 4", "release sim:0", "sim:0 2", "sim:0 2"));
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
  // What it has room for is remembered: the next batch is not tried as a whole.
  log_.clear();
  Together({{1}, {2}, {3}, {4}});
  EXPECT_THAT(log_, ElementsAre("sim:0 2", "sim:0 2"));
}

TEST_F(FailoverTest, ARequestOfManyRowsRunsInPieces) {
  Make(OutOfMemoryOver(2));
  const Result result = Submit({1, 2, 3, 4, 5, 6, 7}).get();
  EXPECT_THAT(Values(result), ElementsAre(2, 4, 6, 8, 10, 12, 14));
  EXPECT_EQ(result->outputs[0].tensor.shape, (tensor::Shape{7, 1}));
  EXPECT_EQ(result->execution.device, "sim:0");
}

TEST_F(FailoverTest, RowsOfARequestAreNotDividedWhereBatchesAreNotFormed) {
  batching_.max_rows = 0;
  Make(OutOfMemoryOver(2));
  const Result result = Submit({1, 2, 3}).get();
  EXPECT_EQ(result.value().execution.device, "cpu");
  EXPECT_EQ(log_.back(), "cpu 3");
}

TEST_F(FailoverTest, PiecesEndWithTheDeadline) {
  Make([this](int64_t rows) {
    clock_.Advance(std::chrono::minutes(1));
    return rows > 1 ? OutOfMemory() : absl::OkStatus();
  });
  const absl::Status status = Submit(std::vector<float>(16, 1), std::chrono::seconds(210)).get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(log_, ElementsAre("sim:0 16", "release sim:0", "sim:0 8", "release sim:0", "sim:0 4", "release sim:0",
                                "sim:0 2", "release sim:0"));
}

TEST_F(FailoverTest, OneRowThatDoesNotFitRunsOnTheNextPlacement) {
  Make(OutOfMemoryOver(0));
  for (int i = 0; i < 3; ++i) {
    const Result result = Submit({1, 2}).get();
    EXPECT_THAT(Values(result), ElementsAre(2, 4));
    EXPECT_EQ(result->execution.device, "cpu");
    EXPECT_TRUE(result->execution.fallback);
    EXPECT_EQ(result->execution.fallback_reason, tensor::FallbackReason::kOutOfMemory);
  }
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
  EXPECT_EQ(log_.back(), "cpu 2");
  // After the second time it is left alone for a while.
  log_.clear();
  EXPECT_TRUE(Submit({1}).get().ok());
  EXPECT_THAT(log_, ElementsAre("cpu 1"));
  EXPECT_EQ(Metric("torchferry_fallbacks_total{from=\"sim:0\",model=\"m\",reason=\"out_of_memory\",to=\"cpu\"}"), "4");
}

TEST_F(FailoverTest, ALostDeviceCostsNoRequest) {
  Make(Always(model::DeviceFault::kLost));
  const auto results = Together({{1}, {2}, {3}});
  for (const Result& result : results) {
    EXPECT_EQ(result.value().execution.device, "cpu");
    EXPECT_EQ(result->execution.fallback_reason, tensor::FallbackReason::kDeviceLost);
  }
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kLost);
  EXPECT_EQ(Metric("torchferry_device_up{device=\"sim:0\"}"), "0");
  log_.clear();
  EXPECT_TRUE(Submit({1}).get().ok());
  EXPECT_THAT(log_, ElementsAre("cpu 1"));
  const model::PlacedModel now = servable_->placement();
  EXPECT_EQ(tensor::ToString(now.model->device()), "cpu");
  EXPECT_EQ(now.info.fallback_reason, tensor::FallbackReason::kDeviceLost);
}

TEST_F(FailoverTest, WhatIsOnALostDeviceIsNotDestroyed) {
  Make(Always(model::DeviceFault::kLost));
  EXPECT_TRUE(Submit({1}).get().ok());
  servable_.reset();
  EXPECT_EQ(FragileModel::destroyed["sim:0"], 0);
  EXPECT_EQ(FragileModel::destroyed["cpu"], 1);
  Make(nullptr);
  health_->ReportSound(kFirst);  // it does not come back
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kLost);
}

TEST_F(FailoverTest, AModelOfASoundDeviceIsDestroyed) {
  Make(nullptr);
  EXPECT_TRUE(Submit({1}).get().ok());
  servable_.reset();
  EXPECT_EQ(FragileModel::destroyed["sim:0"], 1);
}

TEST_F(FailoverTest, ATransientErrorPutsTheDeviceOnProbationUntilACanaryPasses) {
  bool fails = true;
  Make([&](int64_t) {
    return fails ? model::DeviceFaultStatus(model::DeviceFault::kTransient, "SIM error: busy") : absl::OkStatus();
  });
  const Result result = Submit({1}).get();
  EXPECT_EQ(result.value().execution.device, "cpu");
  EXPECT_EQ(result->execution.fallback_reason, tensor::FallbackReason::kDeviceError);
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kProbation);
  fails = false;
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  health_->ReportSound(kFirst);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "sim:0");
  EXPECT_EQ(Metric("torchferry_device_up{device=\"sim:0\"}"), "1");
}

TEST_F(FailoverTest, WhatTheDeviceCannotDoAnotherDoesAndItStaysUp) {
  Make(Always(model::DeviceFault::kUnsupported));
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
}

TEST_F(FailoverTest, TheModelsOwnErrorIsNotTriedElsewhere) {
  Make([](int64_t) {
    return absl::InternalError("the model raised: CUDA error: an illegal memory access was encountered");
  });
  EXPECT_EQ(Submit({1}).get().status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
}

TEST_F(FailoverTest, WithoutAnotherPlacementTheFaultIsTheAnswer) {
  Make(Always(model::DeviceFault::kLost), {});
  const absl::Status first = Submit({1}).get().status();
  EXPECT_EQ(first.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(first), HasSubstr("SIM error"));
  const absl::Status second = Submit({1}).get().status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(second), AllOf(HasSubstr("sim:0 is lost"), HasSubstr("fallback: CPU")));
}

}  // namespace
}  // namespace torchferry::serving
