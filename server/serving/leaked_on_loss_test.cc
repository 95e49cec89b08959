#include "server/serving/leaked_on_loss.h"

#include <gtest/gtest.h>

#include <utility>

namespace torchferry::serving {
namespace {

class CountedModel final : public model::Model {
 public:
  CountedModel(tensor::DeviceId device, int& destroyed) : device_(std::move(device)), destroyed_(destroyed) {}
  ~CountedModel() override { ++destroyed_; }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const>,
                                                      model::PhaseTimes&) override {
    return absl::UnimplementedError("not called");
  }

 private:
  const tensor::Signature signature_;
  const tensor::DeviceId device_;
  int& destroyed_;
};

class LeakedOnLossTest : public ::testing::Test {
 protected:
  LeakedOnLossTest() { health_->Add(kSim); }

  std::shared_ptr<model::Model> Make(const tensor::DeviceId& device) {
    return LeakedOnLoss(std::make_shared<CountedModel>(device, destroyed_), health_);
  }

  const tensor::DeviceId kSim{"sim", 0};
  int destroyed_ = 0;
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
};

TEST_F(LeakedOnLossTest, AModelOfASoundDeviceIsDestroyed) {
  Make(kSim);
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(LeakedOnLossTest, OnProbationItsDeviceIsThereStill) {
  health_->Report(kSim, model::DeviceFault::kTransient, "busy");
  Make(kSim);
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(LeakedOnLossTest, WhatCountsIsTheDevicesStateWhenTheModelGoes) {
  std::shared_ptr<model::Model> model = Make(kSim);
  const std::shared_ptr<model::Model> other_user = model;
  health_->Report(kSim, model::DeviceFault::kLost, "gone");
  model.reset();
  EXPECT_EQ(other_user->device(), kSim);
  EXPECT_EQ(destroyed_, 0);
}

TEST_F(LeakedOnLossTest, AModelOfALostDeviceIsNotDestroyed) {
  health_->Report(kSim, model::DeviceFault::kLost, "gone");
  Make(kSim);
  EXPECT_EQ(destroyed_, 0);
}

TEST_F(LeakedOnLossTest, OnTheCpuItIsTheModelItself) {
  auto model = std::make_shared<CountedModel>(tensor::DeviceId::Cpu(), destroyed_);
  EXPECT_EQ(LeakedOnLoss(model, health_).get(), model.get());
  health_->Report(kSim, model::DeviceFault::kLost, "gone");
  model.reset();
  EXPECT_EQ(destroyed_, 1);
}

}  // namespace
}  // namespace torchferry::serving
