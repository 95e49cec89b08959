// Forward passes, and placements that are being made, which do not end.
#include <gmock/gmock.h>

#include <atomic>

#include "server/base/test_clock.h"
#include "server/serving/device_monitor.h"
#include "server/serving/test_failover.h"

namespace torchferry::serving {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr base::Duration kLimit = std::chrono::seconds(30);

// Doubles "x"; a negative one waits to be released first.
class WaitingModel final : public model::Model {
 public:
  explicit WaitingModel(bool stateful = false) : is_stateful_(stateful) {}
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return is_stateful_; }
  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    auto copy = std::make_shared<WaitingModel>(true);
    copy->shared_ = shared_;
    return std::shared_ptr<model::Model>(std::move(copy));
  }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    ++shared_->passes;
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      if (ValuesOf(request->values[0][0])[0] < 0) Wait();
      all.push_back(Doubled(*request));  // reads the bytes after the wait
    }
    return all;
  }

  void WaitUntilInside(int count = 1) const {
    for (int now = shared_->inside; now < count; now = shared_->inside) shared_->inside.wait(now);
  }
  void Release() {
    shared_->is_released = true;
    shared_->is_released.notify_all();
  }
  int passes() const { return shared_->passes; }

 private:
  struct Shared {
    std::atomic<bool> is_released{false};
    std::atomic<int> inside{0};
    std::atomic<int> passes{0};
  };
  void Wait() {
    ++shared_->inside;
    shared_->inside.notify_all();
    shared_->is_released.wait(false);
  }

  const bool is_stateful_;
  const tensor::Signature signature_ = SignatureOfX(8);
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

class StuckTest : public ::testing::Test {
 protected:
  StuckTest() { Make(false); }
  ~StuckTest() override {
    model_->Release();
    servable_.reset();
  }

  void Make(bool stateful) {
    servable_.reset();
    model_ = std::make_shared<WaitingModel>(stateful);
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching.max_rows = 8;
    options.forward_limit = kLimit;
    servable_ = std::make_unique<Servable>(options, model::LoadedModel{model_, {}}, scheduler_,
                                           metrics_.ForModel("m", 1), clock_, health_);
    servable_->OnSuspect([this](const absl::Status& why) { heard_.push_back(why.code()); });
  }

  std::future<Result> Submit(float x, PredictTask task = {}) {
    return serving::Submit(*servable_, {x}, std::move(task));
  }
  void Overrun() {
    clock_.Advance(2 * kLimit);
    watch_.Look();
  }
  void LookUntilSound() {
    while (!servable_->suspect().ok()) {
      watch_.Look();
      std::this_thread::yield();
    }
  }

  base::FakeClock clock_;
  base::StuckWatch watch_{clock_};
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, clock_);
  std::shared_ptr<WaitingModel> model_;
  batching::Scheduler scheduler_{{.workers = 1, .watch = &watch_, .max_extra_workers = 2}, clock_};
  std::vector<absl::StatusCode> heard_;
  std::unique_ptr<Servable> servable_;
};

TEST_F(StuckTest, TheStuckRequestWhatWaitsAndWhatComesAreAnswered) {
  auto stuck = Submit(-1);
  model_->WaitUntilInside();
  auto waiting = Submit(1);
  Overrun();
  const absl::Status late = stuck.get().status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(base::MessageOf(late), AllOf(HasSubstr("\"m\" version 1 has run for 60.0 s, its limit is 30 s"),
                                           HasSubstr("forward_timeout_seconds")));
  for (const absl::Status& refused : {waiting.get().status(), Submit(1).get().status()}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(base::MessageOf(refused), AllOf(HasSubstr("suspect"), HasSubstr("LoadModel")));
  }
  EXPECT_TRUE(servable_->is_stuck());
  EXPECT_THAT(heard_, ElementsAre(absl::StatusCode::kUnavailable));
}

TEST_F(StuckTest, ItServesAgainWhenThePassHasEndedAfterAll) {
  auto stuck = Submit(-1);
  model_->WaitUntilInside();
  Overrun();
  stuck.wait();
  model_->Release();
  LookUntilSound();
  EXPECT_THAT(heard_, ElementsAre(absl::StatusCode::kUnavailable, absl::StatusCode::kOk));
  EXPECT_THAT(Values(Submit(3).get()), ElementsAre(6));
}

// The bytes are read after the answer.
TEST_F(StuckTest, TheBytesOfAStuckRequestLiveUntilItsPassHasEnded) {
  PredictTask task;
  auto bytes = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = bytes;
  task.keep = [bytes = std::move(bytes)] { return bytes; };
  auto stuck = Submit(-1, std::move(task));
  model_->WaitUntilInside();
  Overrun();
  EXPECT_EQ(stuck.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(alive.expired());
  model_->Release();
  LookUntilSound();
  servable_->BeginClose();
  EXPECT_TRUE(servable_->HasEnded(base::kNoDeadline));
  EXPECT_TRUE(alive.expired());
}

TEST_F(StuckTest, WhoeverGaveUpIsNotAskedAfterTheAnswer) {
  auto is_answered = std::make_shared<std::atomic<bool>>(false);
  PredictTask task;
  task.is_cancelled = [is_answered] {
    EXPECT_FALSE(*is_answered) << "the call is gone by now";
    return false;
  };
  auto stuck = Submit(-1, std::move(task));
  model_->WaitUntilInside();
  Overrun();
  stuck.wait();
  *is_answered = true;
  model_->Release();
  LookUntilSound();
}

TEST_F(StuckTest, EveryRequestOfAStuckBatchIsAnswered) {
  // Another queue holds the worker up until a batch has formed.
  std::latch formed(1);
  batching::FakeHandler other;
  other.on_run = [&](const auto&) { formed.wait(); };
  const auto queue = scheduler_.AddQueue({}, other);
  ASSERT_TRUE(batching::Submit(scheduler_, *queue).ok());
  while (scheduler_.IsIdle()) std::this_thread::yield();
  std::vector<std::future<Result>> batch;
  for (const float x : {1.0F, -1.0F, 2.0F}) batch.push_back(Submit(x));
  formed.count_down();
  model_->WaitUntilInside();
  Overrun();
  for (auto& one : batch) EXPECT_EQ(one.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(model_->passes(), 1) << "none of them runs once more alone";
  scheduler_.Close(*queue);
}

// Its key stays busy; the stream's next request is refused and not queued behind it.
TEST_F(StuckTest, AStuckStatefulStreamIsAnsweredAndKeepsItsState) {
  Make(true);
  PredictTask task;
  task.session = servable_->OpenSession().value();
  const auto session = task.session;
  auto stuck = Submit(-1, std::move(task));
  model_->WaitUntilInside();
  Overrun();
  EXPECT_EQ(stuck.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  PredictTask next;
  next.session = session;
  EXPECT_EQ(Submit(1, std::move(next)).get().status().code(), absl::StatusCode::kUnavailable);
  model_->Release();
  LookUntilSound();
  PredictTask last;
  last.session = session;
  EXPECT_THAT(Values(Submit(4, std::move(last)).get()), ElementsAre(8));
}

TEST_F(StuckTest, EndingAStuckVersionBeginsWithoutWaiting) {
  auto stuck = Submit(-1);
  model_->WaitUntilInside();
  Overrun();
  stuck.wait();
  servable_->BeginClose();
  EXPECT_FALSE(servable_->HasEnded(base::Clock::Real().Now()));
  EXPECT_EQ(Submit(1).get().status().code(), absl::StatusCode::kUnavailable);
  model_->Release();
  EXPECT_TRUE(servable_->HasEnded(base::kNoDeadline));
}

// A placement on another device.
class StuckBuildTest : public ::testing::Test {
 protected:
  ~StuckBuildTest() override { Release(); }
  void Release() {
    is_released_ = true;
    is_released_.notify_all();
  }

  std::vector<std::string> log_;
  std::atomic<bool> is_released_{false};
  std::atomic<int> building_{0};
  std::atomic<int> built_{0};
  base::FakeClock clock_;
  base::StuckWatch watch_{clock_};
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, clock_);

  std::unique_ptr<Placements> Make() {
    health_->Add(kFirst);
    model::LoadedModel loaded{std::make_shared<FragileModel>(kFirst, nullptr, log_), {}};
    loaded.fallback_devices = {tensor::DeviceId::Cpu()};
    loaded.standby = tensor::DeviceId::Cpu();
    loaded.place = [this](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
      ++building_;
      building_.notify_all();
      is_released_.wait(false);
      return model::PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
    };
    return std::make_unique<Placements>(
        "m", 1, std::move(loaded), health_, clock_,
        [this] {
          ++built_;
          built_.notify_all();
        },
        BuildLimit{kLimit, &watch_});
  }
};

TEST_F(StuckBuildTest, WhoWaitsForABuildThatDoesNotEndIsTold) {
  const std::unique_ptr<Placements> placements = Make();
  building_.wait(0);
  EXPECT_TRUE(placements->Choose(1).may_come);
  clock_.Advance(2 * kLimit);
  watch_.Look();
  EXPECT_EQ(built_, 1) << "those that wait look again";
  EXPECT_TRUE(placements->is_stuck());
  const Placements::Choice choice = placements->Choose(1);
  EXPECT_FALSE(choice.use.has_value());
  EXPECT_FALSE(choice.may_come);
  EXPECT_EQ(choice.error.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(placements->Choose(0).use.has_value()) << "where it is, it goes on";
  EXPECT_FALSE(placements->HasEnded(base::Clock::Real().Now()));
  Release();
  EXPECT_TRUE(placements->HasEnded(base::kNoDeadline));
  EXPECT_FALSE(placements->is_stuck());
  EXPECT_EQ(placements->Choose(1).use.value().model->device(), tensor::DeviceId::Cpu()) << "it has come after all";
}

TEST(StuckProbeTest, ADeviceWhoseProbeDoesNotEndIsOnProbation) {
  metrics::Metrics metrics;
  ShiftedClock clock;
  base::StuckWatch watch(clock);
  const auto health = std::make_shared<DeviceHealth>(metrics, clock);
  health->Add(kFirst);
  std::atomic<bool> is_probing{false};
  std::atomic<bool> is_released{false};
  DeviceMonitor monitor(
      health,
      [&](const tensor::DeviceId&) {
        is_probing = true;
        is_probing.notify_all();
        is_released.wait(false);
        return absl::OkStatus();
      },
      std::chrono::milliseconds(1), &watch);
  is_probing.wait(false);
  watch.Look();
  EXPECT_EQ(health->Get(kFirst), DeviceState::kUp);
  clock.Advance(std::chrono::seconds(60));
  watch.Look();
  EXPECT_EQ(health->Get(kFirst), DeviceState::kProbation);
  EXPECT_THAT(health->List().at(0).why, HasSubstr("does not end"));
  is_released = true;
  is_released.notify_all();
}

}  // namespace
}  // namespace torchferry::serving
