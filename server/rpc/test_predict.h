// A registry of models that add up their inputs, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/registry/registry.h"
#include "server/rpc/predict/predictor.h"

namespace torchferry::rpc {

// Gives "sum" [1, 1], which is "x" [1, 1]; a stateful copy adds all inputs that it was given before. A negative x
// raises. The output's name "sum" is declared where `declares_output` is true.
class SummingModel final : public model::Model {
 public:
  explicit SummingModel(bool is_stateful, bool declares_output = false) : is_stateful_(is_stateful) {
    const tensor::Shape shape = {tensor::kAnyDim, 1};
    signature_.inputs = {{"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, shape, false}};
    if (declares_output)
      signature_.outputs = {{"sum", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, shape, false}};
    signature_.max_batch_size = 1;
  }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return is_stateful_; }
  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    return std::shared_ptr<model::Model>(std::make_shared<SummingModel>(true));
  }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    float x = 0;
    std::memcpy(&x, requests[0]->values[0][0].bytes.data(), sizeof(x));
    if (x < 0) return absl::InternalError("the model raised: " + std::string(5000, 'x'));
    if (is_stateful_) x = sum_ += x;
    const auto value = std::make_shared<float>(x);
    return std::vector<model::Outputs>{
        {{"sum", {tensor::DType::kFp32, {1, 1}, std::as_bytes(std::span(value.get(), 1)), value}}}};
  }

 private:
  const bool is_stateful_;
  tensor::Signature signature_;
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
  float sum_ = 0;
};

// A registry of the models "plain", "declared" and "stateful", each with the versions 1 and 2. The output's name of
// "plain" is not declared. "stateful" has a place for one session.
class PredictTest : public ::testing::Test {
 protected:
  PredictTest() {
    registry_.SetListener([this] {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    registry_.Add({Folder("plain"), Folder("declared"), Folder("stateful")});
    registry_.StartLoading();
    base::MutexLock lock(mutex_);
    while (!NotReadyReason(registry_.List(), registry::ReadinessPolicy::kAll).empty()) changed_.Wait(mutex_);
  }
  ~PredictTest() override { registry_.Stop(); }

  static registry::ModelFolder Folder(std::string name) {
    config::ModelConfig config;
    config.version_policy.kind = config::VersionPolicy::Kind::kAll;
    return {std::move(name), config, {1, 2}, {}, {}};
  }

  absl::StatusOr<std::unique_ptr<serving::Servable>> MakeServable(const std::string& model, int64_t version) {
    serving::Servable::Options options;
    options.name = model;
    options.version = version;
    options.max_sessions = 1;
    auto summing = std::make_shared<SummingModel>(model == "stateful", model == "declared");
    return std::make_unique<serving::Servable>(options, model::LoadedModel{std::move(summing), {}}, scheduler_,
                                               metrics_.ForModel(model, version), clock_, health_);
  }

  std::shared_ptr<serving::Servable> Find(const std::string& model, int64_t version = 0) const {
    return registry_.Find(model, version).value();
  }

  void Unload(const std::string& model, int64_t version) {
    const auto done = std::make_shared<std::promise<absl::Status>>();
    registry_.Unload(model, version, [done](const absl::Status& status) { done->set_value(status); });
    const absl::Status status = done->get_future().get();
    EXPECT_TRUE(status.ok()) << status;
  }

  // A request with one "x" of one row, whose bytes are those of `x`.
  static Request AskFor(const float& x, int64_t version = 0) {
    Request request;
    request.version = version;
    request.inputs["x"] = {tensor::DType::kFp32, {1, 1}, std::as_bytes(std::span(&x, 1)), nullptr};
    return request;
  }

  // The servables' clock: the time of the process, plus what a test adds.
  class AdvancedClock final : public base::Clock {
   public:
    base::TimePoint Now() const override { return base::Clock::Real().Now() + base::Duration(ahead_); }
    void Advance(base::Duration duration) { ahead_ += duration.count(); }

   private:
    std::atomic<base::Duration::rep> ahead_{0};
  };

  AdvancedClock clock_;
  identity::Caller caller_ = identity::Caller::Unrestricted("ipv4:127.0.0.1:4711");
  base::Mutex mutex_;
  base::CondVar changed_;  // a version's state has changed
  metrics::Metrics metrics_;
  std::shared_ptr<serving::DeviceHealth> health_ =
      std::make_shared<serving::DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  registry::Registry registry_{
      [this](const std::string& m, int64_t v, const config::ModelConfig&) { return MakeServable(m, v); }, metrics_,
      base::Clock::Real()};
};

}  // namespace torchferry::rpc
