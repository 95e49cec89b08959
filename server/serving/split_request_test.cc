#include "server/serving/split_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>

#include "server/serving/test_requests.h"

namespace torchferry::serving {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr int64_t kRows = 8;

// Doubles "x". Fails for a request with a negative value, and gives one row more for one with 1000 in it.
class PartsModel final : public model::Model {
 public:
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      {
        base::MutexLock lock(mutex_);
        rows_.push_back(request->rows);
      }
      const std::vector<float> values = ValuesOf(request->values[0][0]);
      if (std::ranges::any_of(values, [](float value) { return value < 0; })) return absl::InternalError("negative");
      all.push_back(Doubled(*request));
      if (std::ranges::find(values, 1000) != values.end()) all.back()[0].tensor.shape[0] += 1;
    }
    return all;
  }
  std::vector<int64_t> rows() {
    base::MutexLock lock(mutex_);
    return rows_;
  }

 private:
  const tensor::Signature signature_ = SignatureOfX(kRows);
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
  base::Mutex mutex_;
  std::vector<int64_t> rows_ FERRY_GUARDED_BY(mutex_);
};

class SplitRequestTest : public ::testing::Test {
 protected:
  SplitRequestTest() {
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching.max_rows = kRows;
    options.batching.max_queue_size = 16;
    servable_ = std::make_unique<Servable>(options, model::LoadedModel{model_, {}}, scheduler_,
                                           metrics_.ForModel("m", 1), base::Clock::Real(), health_);
  }

  Result Run(std::vector<float> x, int64_t max_bytes = std::numeric_limits<int64_t>::max(), PredictTask task = {}) {
    task.inputs.rows = static_cast<int64_t>(x.size());
    task.inputs.values = {{TensorOf(std::move(x))}};
    std::promise<Result> promise;
    task.done = [this, &promise](Result result) {
      ++answers_;
      promise.set_value(std::move(result));
    };
    SubmitInParts(*servable_, std::move(task), kRows, max_bytes);
    return promise.get_future().get();
  }

  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  const std::shared_ptr<PartsModel> model_ = std::make_shared<PartsModel>();
  std::atomic<int> answers_ = 0;
  batching::Scheduler scheduler_{{.workers = 2}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

std::vector<float> Counting(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

TEST_F(SplitRequestTest, TheAnswerHasAllRowsInTheirOrder) {
  const Result result = Run(Counting(101));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->outputs.size(), 1u);
  EXPECT_EQ(result->outputs[0].tensor.shape, (tensor::Shape{101, 1}));
  std::vector<float> doubled = Counting(101);
  for (float& value : doubled) value *= 2;
  EXPECT_EQ(Values(result), doubled);
  EXPECT_EQ(model_->rows().size(), 13u);
  EXPECT_THAT(model_->rows(), Each(Le(kRows)));
  EXPECT_EQ(result->execution.device, "cpu");
  EXPECT_EQ(answers_, 1);
}

TEST_F(SplitRequestTest, MorePartsThanTheQueueHasPlacesPass) { EXPECT_TRUE(Run(Counting(40 * kRows)).ok()); }

TEST_F(SplitRequestTest, OneErrorIsTheAnswerAndNothingMoreIsSubmitted) {
  // Whichever part ends first has failed, with three others in flight.
  const Result result = Run(std::vector<float>(100 * kRows, -1));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_LE(model_->rows().size(), 4u);
  EXPECT_EQ(answers_, 1);
}

TEST_F(SplitRequestTest, OutputsThatAreNotByRowsAreRefused) {
  std::vector<float> values = Counting(20);
  values[12] = 1000;
  const Result result = Run(values);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(result.status()), HasSubstr("output \"y\" has shape [9, 1] for a part of 8 rows"));
}

TEST_F(SplitRequestTest, AnAnswerThatIsTooLargeEndsTheRequestEarly) {
  const Result result = Run(Counting(100 * kRows), 100);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(result.status()), HasSubstr("--max-message-mib"));
  EXPECT_LE(model_->rows().size(), 8u);  // the fourth is too much, with three others in flight
}

TEST_F(SplitRequestTest, ACancelledRequestSubmitsNoFurtherPart) {
  PredictTask task;
  task.is_cancelled = [] { return true; };
  const Result result = Run(Counting(100 * kRows), std::numeric_limits<int64_t>::max(), std::move(task));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(model_->rows().empty());
}

}  // namespace
}  // namespace torchferry::serving
