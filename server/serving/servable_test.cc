#include "server/serving/servable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <latch>
#include <thread>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

using ::testing::HasSubstr;

// Doubles each FP32 element of "x" [rows, 1]; raises for a batch that holds a negative one.
class DoublingModel : public model::Model {
 public:
  DoublingModel() {
    signature_.inputs = {
        {"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, tensor::Shape{tensor::kAnyDim, 1}, false}};
    signature_.max_batch_size = 8;
  }
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes& times) override {
    times = {0.25, 0.5, 0.125};
    if (before_predict) before_predict();
    batch_sizes.push_back(requests.size());
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      const tensor::HostTensor& x = request->values[0][0];
      auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(request->rows));
      std::memcpy(values->data(), x.bytes.data(), x.bytes.size());
      for (float& value : *values) {
        if (value < 0) return absl::InternalError("negative");
        value *= 2;
      }
      all.push_back({{"y", {tensor::DType::kFp32, x.shape, std::as_bytes(std::span(*values)), values}}});
    }
    return all;
  }

  std::function<void()> before_predict;
  std::vector<size_t> batch_sizes;

 private:
  tensor::Signature signature_;
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
};

class ServableTest : public ::testing::Test {
 protected:
  ServableTest() { Make({}); }

  void Make(model::ModelInfo info) {
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching.max_rows = 8;
    options.batching.max_queue_size = 4;
    servable_.reset();
    servable_ = std::make_unique<Servable>(options, model::LoadedModel{model_, std::move(info)}, scheduler_,
                                           metrics_.ForModel("m", 1), base::Clock::Real(), health_);
  }

  std::future<absl::StatusOr<PredictResult>> Submit(float value, std::function<bool()> is_cancelled = nullptr) {
    auto bytes = std::make_shared<float>(value);
    auto promise = std::make_shared<std::promise<absl::StatusOr<PredictResult>>>();
    PredictTask task;
    task.inputs.values = {{{tensor::DType::kFp32, {1, 1}, std::as_bytes(std::span(bytes.get(), 1)), bytes}}};
    task.is_cancelled = std::move(is_cancelled);
    task.done = [promise](absl::StatusOr<PredictResult> r) { promise->set_value(std::move(r)); };
    servable_->Submit(std::move(task));
    return promise->get_future();
  }

  static float Value(const absl::StatusOr<PredictResult>& result) {
    float value = 0;
    std::memcpy(&value, result.value().outputs[0].tensor.bytes.data(), sizeof(value));
    return value;
  }

  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  std::shared_ptr<DoublingModel> model_ = std::make_shared<DoublingModel>();
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

TEST_F(ServableTest, AnswersWithOutputsAndHowItRan) {
  const auto result = Submit(3).get();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Value(result), 6);
  EXPECT_EQ(result->execution.device, "cpu");
  EXPECT_EQ(result->execution.batch_rows, 1);
  EXPECT_FALSE(result->execution.fallback);
}

TEST_F(ServableTest, OneRequestThatRaisesDoesNotFailItsBatch) {
  std::latch started(1);
  std::latch go_on(1);
  model_->before_predict = [&] {
    if (model_->batch_sizes.empty()) {
      started.count_down();
      go_on.wait();
    }
  };
  auto first = Submit(0);
  started.wait();
  auto good = Submit(1);
  auto bad = Submit(-1);
  auto other = Submit(2);
  go_on.count_down();
  EXPECT_EQ(Value(first.get()), 0);
  EXPECT_EQ(Value(good.get()), 2);
  EXPECT_EQ(Value(other.get()), 4);
  EXPECT_EQ(bad.get().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(model_->batch_sizes, (std::vector<size_t>{1, 3, 1, 1, 1}));
}

TEST_F(ServableTest, AFullQueueIsUnavailable) {
  std::latch started(1);
  std::latch go_on(1);
  model_->before_predict = [&] {
    if (model_->batch_sizes.empty()) {
      started.count_down();
      go_on.wait();
    }
  };
  std::vector<std::future<absl::StatusOr<PredictResult>>> accepted;
  accepted.push_back(Submit(0));
  started.wait();
  for (int i = 0; i < 4; ++i) accepted.push_back(Submit(1));
  EXPECT_EQ(Submit(1).get().status().code(), absl::StatusCode::kUnavailable);
  go_on.count_down();
  for (auto& future : accepted) EXPECT_TRUE(future.get().ok());
}

TEST_F(ServableTest, ACancelledRequestIsAnsweredAndNotRun) {
  EXPECT_EQ(Submit(1, [] { return true; }).get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(model_->batch_sizes.empty());
}

TEST_F(ServableTest, AFallbackIsCountedOnceAndShownInEachAnswer) {
  model::ModelInfo info;
  info.requested_device = "cuda:1";
  info.fallback = true;
  info.fallback_from = "cuda:1";
  info.fallback_reason = tensor::FallbackReason::kAbsent;
  Make(info);
  for (int i = 0; i < 2; ++i) {
    const auto result = Submit(1).get();
    EXPECT_TRUE(result.value().execution.fallback);
    EXPECT_EQ(result.value().execution.fallback_reason, tensor::FallbackReason::kAbsent);
  }
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("torchferry_fallbacks_total{from=\"cuda:1\",model=\"m\",reason=\"absent\",to=\"cpu\"} 1"));
}

TEST_F(ServableTest, UnloadCallsEachListenerOnceAndThoseThatComeLaterAtOnce) {
  int early = 0;
  int gone = 0;
  int late = 0;
  const int first = servable_->OnUnload([&] { ++early; });
  servable_->Unsubscribe(servable_->OnUnload([&] { ++gone; }));
  EXPECT_EQ(early, 0);
  servable_->Unload();
  servable_->Unload();
  servable_->OnUnload([&] { ++late; });
  EXPECT_EQ(early, 1);
  EXPECT_EQ(gone, 0);
  EXPECT_EQ(late, 1);
  servable_->Unsubscribe(first);
}

TEST_F(ServableTest, AfterUnloadASubscriptionIsNobodys) {
  const int first = servable_->OnUnload([] {});
  servable_->Unload();
  const int late = servable_->OnUnload([] {});
  EXPECT_EQ(late, 0);
  EXPECT_NE(late, first);
}

// A listener that is called under a lock would wait for the other thread for ever.
TEST_F(ServableTest, AListenerOfUnloadMayWaitForAThreadThatSubscribes) {
  int calls = 0;
  servable_->OnUnload(
      [&] { std::thread([&] { servable_->Unsubscribe(servable_->OnUnload([&] { ++calls; })); }).join(); });
  servable_->Unload();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace torchferry::serving
