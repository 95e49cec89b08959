// A servable over a stateful model: whose state a request sees, and in what order.
#include "server/serving/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "server/base/status.h"
#include "server/serving/test_requests.h"

namespace torchferry::serving {
namespace {

using ::testing::HasSubstr;

// What the copies of one model tell the test.
struct Log {
  std::function<void(float)> before_predict;
  std::atomic<int> copies{0};
  std::atomic<int> runs{0};
  std::atomic<bool> clone_fails{false};
};

// Adds "x" [rows, 1] to a sum that it keeps and gives the sum; raises for a negative x, after it
// has added it.
class SummingModel final : public model::Model {
 public:
  explicit SummingModel(Log& log, bool is_loaded = true) : log_(log), is_loaded_(is_loaded) {}

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return true; }

  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    if (log_.clone_fails) return absl::ResourceExhaustedError("no memory");
    ++log_.copies;
    auto copy = std::make_shared<SummingModel>(log_, false);
    copy->sum_ = sum_;
    return copy;
  }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    EXPECT_FALSE(is_loaded_) << "the loaded model must not run";
    EXPECT_EQ(requests.size(), 1u) << "requests of a stateful model share no forward pass";
    EXPECT_FALSE(is_running_.exchange(true)) << "two callers at once";
    const float x = ValuesOf(requests[0]->values[0][0]).at(0);
    if (log_.before_predict) log_.before_predict(x);
    ++log_.runs;
    sum_ += x;
    is_running_ = false;
    if (x < 0) return absl::InternalError("negative");
    return std::vector<model::Outputs>{{{"sum", TensorOf({sum_})}}};
  }

 private:
  Log& log_;
  const bool is_loaded_;
  float sum_ = 100;  // "the state in the file"
  std::atomic<bool> is_running_{false};
  const tensor::Signature signature_ = SignatureOfX(8);
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
};

using Future = std::future<Result>;

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    Servable::Options options;
    options.name = "sum";
    options.version = 3;
    options.max_sessions = 2;
    options.batching.max_rows = 8;  // as a config with dynamic_batching has it
    options.batching.max_queue_delay = std::chrono::hours(1);
    servable_ = std::make_unique<Servable>(options, model::LoadedModel{std::make_shared<SummingModel>(log_), {}},
                                           scheduler_, metrics_.ForModel("sum", 3), base::Clock::Real(),
                                           std::make_shared<DeviceHealth>(metrics_, base::Clock::Real()));
  }

  Future Submit(float x, std::shared_ptr<Session> session, PredictTask task = {}) {
    task.session = std::move(session);
    return serving::Submit(*servable_, {x}, std::move(task));
  }

  std::shared_ptr<Session> Open() {
    auto session = servable_->OpenSession();
    EXPECT_TRUE(session.ok()) << session.status();
    return session.value_or(nullptr);
  }

  static float Sum(Future future) {
    const Result result = future.get();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? Values(result).at(0) : -1;
  }

  metrics::Metrics metrics_;
  Log log_;
  batching::Scheduler scheduler_{{.workers = 4}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

TEST_F(SessionTest, ASessionGoesOnWhereItWas) {
  const auto session = Open();
  EXPECT_EQ(Sum(Submit(1, session)), 101);
  EXPECT_EQ(Sum(Submit(2, session)), 103);
  EXPECT_EQ(log_.copies, 1);
}

TEST_F(SessionTest, SessionsDoNotMix) {
  const auto first = Open();
  const auto second = Open();
  EXPECT_EQ(Sum(Submit(1, first)), 101);
  EXPECT_EQ(Sum(Submit(10, second)), 110);
  EXPECT_EQ(Sum(Submit(1, first)), 102);
}

TEST_F(SessionTest, WithoutASessionEachRequestStartsFromTheFile) {
  const auto session = Open();
  EXPECT_EQ(Sum(Submit(1, session)), 101);
  EXPECT_EQ(Sum(Submit(5, nullptr)), 105);
  EXPECT_EQ(Sum(Submit(5, nullptr)), 105);
  EXPECT_EQ(Sum(Submit(1, session)), 102);
}

TEST_F(SessionTest, RequestsOfASessionRunInOrderAndOthersAtTheSameTime) {
  const auto session = Open();
  const auto other = Open();
  std::latch started(1);
  std::latch go_on(1);
  log_.before_predict = [&](float x) {
    if (x != 1) return;
    started.count_down();
    go_on.wait();
  };
  std::vector<Future> futures;
  futures.push_back(Submit(1, session));
  started.wait();
  for (float x = 2; x <= 20; ++x) futures.push_back(Submit(x, session));
  EXPECT_EQ(Sum(Submit(7, other)), 107);  // while the first one is inside
  EXPECT_EQ(log_.runs, 1);
  go_on.count_down();
  float expected = 100;
  for (size_t i = 0; i < futures.size(); ++i) {
    expected += static_cast<float>(i + 1);
    EXPECT_EQ(Sum(std::move(futures[i])), expected);
  }
}

TEST_F(SessionTest, ARequestThatRaisesLeavesWhatItHadWrittenAndIsNotRunAgain) {
  const auto session = Open();
  EXPECT_EQ(Submit(-3, session).get().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(log_.runs, 1);
  EXPECT_EQ(Sum(Submit(0, session)), 97);
}

TEST_F(SessionTest, ARequestThatEndedBeforeItRanHasNotTouchedTheState) {
  const auto session = Open();
  PredictTask cancelled;
  cancelled.is_cancelled = [] { return true; };
  EXPECT_EQ(Submit(50, session, std::move(cancelled)).get().status().code(), absl::StatusCode::kCancelled);
  PredictTask expired;
  expired.deadline = base::Clock::Real().Now();
  EXPECT_EQ(Submit(50, session, std::move(expired)).get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Sum(Submit(1, session)), 101);
}

TEST_F(SessionTest, BeyondTheLimitIsResourceExhaustedUntilOneIsDropped) {
  auto first = Open();
  const auto second = Open();
  const auto refused = servable_->OpenSession();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("\"sum\" version 3"));
  EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("2 streams"));
  EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("--max-stateful-streams"));
  EXPECT_EQ(Sum(Submit(1, second)), 101);
  EXPECT_EQ(Sum(Submit(1, nullptr)), 101);
  first.reset();
  EXPECT_NE(Open(), nullptr);
}

TEST_F(SessionTest, ACopyThatCannotBeMadeIsTriedAgain) {
  const auto session = Open();
  log_.clone_fails = true;
  EXPECT_EQ(Submit(1, session).get().status().code(), absl::StatusCode::kResourceExhausted);
  log_.clone_fails = false;
  EXPECT_EQ(Sum(Submit(1, session)), 101);
}

TEST_F(SessionTest, ASessionMayOutliveItsServable) {
  const auto session = Open();
  EXPECT_EQ(Sum(Submit(1, session)), 101);
  servable_.reset();
}

TEST_F(SessionTest, TheModelIsNotBatchedWhateverTheOptionsSay) { EXPECT_FALSE(servable_->batches()); }

}  // namespace
}  // namespace torchferry::serving
