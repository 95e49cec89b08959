#include "server/serving/servable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "server/serving/test_requests.h"

namespace torchferry::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Doubles "x"; raises for a batch with a request that begins with a negative value.
class DoublingModel : public model::Model {
 public:
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes& times) override {
    times = {0.25, 0.5, 0.125};
    if (before_predict) before_predict();
    batch_sizes.push_back(requests.size());
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      if (ValuesOf(request->values[0][0])[0] < 0) return absl::InternalError("negative");
      all.push_back(Doubled(*request));
    }
    return all;
  }

  std::function<void()> before_predict;
  std::vector<size_t> batch_sizes;

 private:
  const tensor::Signature signature_ = SignatureOfX(8);
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

  std::future<Result> Submit(float x, std::function<bool()> is_cancelled = nullptr) {
    PredictTask task;
    task.is_cancelled = std::move(is_cancelled);
    return serving::Submit(*servable_, {x}, std::move(task));
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
  EXPECT_THAT(Values(result), ElementsAre(6));
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
  EXPECT_THAT(Values(first.get()), ElementsAre(0));
  EXPECT_THAT(Values(good.get()), ElementsAre(2));
  EXPECT_THAT(Values(other.get()), ElementsAre(4));
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
  std::vector<std::future<Result>> accepted;
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
