// Which placement comes next, waiting for one that is being made, deadlines, and state, when a device fails.
#include <gmock/gmock.h>

#include "server/serving/test_failover.h"

namespace torchferry::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(FailoverTest, TheSecondDeviceIsNextAndTheCpuServesUntilItIsMade) {
  std::latch second_made(1);
  on_place = [&](const tensor::DeviceId& device) {
    if (device == kSecond) second_made.wait();
    return absl::OkStatus();
  };
  Make(Always(model::DeviceFault::kLost), {kSecond, tensor::DeviceId::Cpu()});
  std::future<Result> first = Submit({1});  // waits for the first placement that is made
  second_made.count_down();
  EXPECT_EQ(first.get().value().execution.device, "sim:1");
  EXPECT_EQ(Submit({1}).get().value().execution.fallback_reason, tensor::FallbackReason::kDeviceLost);
}

TEST_F(FailoverTest, APlacementThatCannotBeMadeIsPassedOver) {
  on_place = [](const tensor::DeviceId& device) { return device == kSecond ? OutOfMemory() : absl::OkStatus(); };
  Make(Always(model::DeviceFault::kLost), {kSecond, tensor::DeviceId::Cpu()});
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, RequestsWaitForAPlacementThatIsBeingMadeAndOthersGoOn) {
  std::latch made(1);
  on_place = [&](const tensor::DeviceId&) {
    made.wait();
    return absl::OkStatus();
  };
  Make(Always(model::DeviceFault::kLost));
  std::vector<std::future<Result>> waiting;
  for (float i = 0; i < 4; ++i) waiting.push_back(Submit({i}));
  // The one worker is free for another model meanwhile.
  batching::FakeHandler other;
  const auto queue = scheduler_.AddQueue({}, other);
  EXPECT_TRUE(batching::Submit(scheduler_, *queue).ok());
  other.WaitUntilRan(1);
  scheduler_.Close(*queue);
  made.count_down();
  for (auto& future : waiting) EXPECT_EQ(future.get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, WhoWaitsForAPlacementWaitsAsInTheQueue) {
  std::latch made(1);
  on_place = [&](const tensor::DeviceId&) {
    made.wait();
    return absl::OkStatus();
  };
  batching_.max_queue_size = 2;
  Make(Always(model::DeviceFault::kLost));
  std::future<Result> patient = Submit({1});
  std::atomic<bool> has_gone = false;
  std::future<Result> gone = Submit({1}, std::chrono::seconds(60), nullptr, [&] { return has_gone.load(); });
  // Until both have met the fault and wait, there is room for more, which waits as well.
  absl::StatusCode code = absl::StatusCode::kDeadlineExceeded;
  while (code == absl::StatusCode::kDeadlineExceeded)
    code = Submit({1}, std::chrono::milliseconds(20)).get().status().code();
  EXPECT_EQ(code, absl::StatusCode::kUnavailable);  // full
  has_gone = true;
  EXPECT_EQ(gone.get().status().code(), absl::StatusCode::kCancelled);
  // There is room again.
  EXPECT_EQ(Submit({1}, std::chrono::milliseconds(50)).get().status().code(), absl::StatusCode::kDeadlineExceeded);
  made.count_down();
  EXPECT_EQ(patient.get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, AVersionGoesWhereItWouldRatherBeWhenThatWorks) {
  model::LoadedModel loaded = Load(tensor::DeviceId::Cpu(), nullptr);
  loaded.preferred_devices = {kFirst};
  loaded.info.fallback = true;
  loaded.info.fallback_from = "sim:0";
  loaded.info.fallback_reason = tensor::FallbackReason::kLoadFailed;
  servable_ = Serve("m", std::move(loaded));
  EXPECT_EQ(Submit({1}).get().value().execution.fallback_reason, tensor::FallbackReason::kLoadFailed);
  clock_.Advance(std::chrono::seconds(11));
  while (Submit({1}).get().value().execution.device != "sim:0") std::this_thread::yield();
  EXPECT_FALSE(Submit({1}).get().value().execution.fallback);
  EXPECT_EQ(Metric("torchferry_fallbacks_total{from=\"sim:0\",model=\"m\",reason=\"load_failed\",to=\"cpu\"}"), "1");
}

TEST_F(FailoverTest, TwoModelsThatShareADeviceBothMoveAndNeitherWaitsForTheOther) {
  std::latch first_made(1);
  on_place = [&](const tensor::DeviceId&) {
    first_made.wait();
    return absl::OkStatus();
  };
  Make(nullptr);
  const std::unique_ptr<Servable> waiting = std::move(servable_);
  on_place = nullptr;
  model::LoadedModel loaded = Load(kFirst, Always(model::DeviceFault::kLost));
  loaded.fallback_devices = {tensor::DeviceId::Cpu()};
  servable_ = Serve("n", std::move(loaded));
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  first_made.count_down();
  while (tensor::ToString(waiting->placement().model->device()) != "cpu")
    std::this_thread::yield();  // without a request of its own
}

TEST_F(FailoverTest, AStandbyIsMadeAheadOfNeed) {
  std::promise<void> made;
  on_place = [&](const tensor::DeviceId& device) {
    EXPECT_TRUE(device.IsCpu());
    made.set_value();
    return absl::OkStatus();
  };
  model::LoadedModel loaded = Load(kFirst, nullptr);
  loaded.fallback_devices = {kSecond, tensor::DeviceId::Cpu()};
  loaded.standby = tensor::DeviceId::Cpu();
  servable_ = Serve("m", std::move(loaded));
  made.get_future().wait();
  EXPECT_EQ(Submit({1}).get().value().execution.device, "sim:0");
}

TEST_F(FailoverTest, ASmallModelIsWhereItsPlacementIsAndGoesWithIt) {
  model::LoadedModel loaded = Load(kFirst, Always(model::DeviceFault::kLost));
  loaded.small = std::make_shared<FragileModel>(kFirst, nullptr, log_);
  const model::Model* const small = loaded.small.get();
  const auto place = loaded.place;
  const model::Model* small_elsewhere = nullptr;
  loaded.place = [&, place](const tensor::DeviceId& other) {
    auto placed = place(other);
    placed->small = std::make_shared<FragileModel>(other, nullptr, log_);
    small_elsewhere = placed->small.get();
    return placed;
  };
  loaded.fallback_devices = {tensor::DeviceId::Cpu()};
  servable_ = Serve("m", std::move(loaded));
  EXPECT_EQ(servable_->placement().small->device(), small->device());
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  EXPECT_EQ(servable_->placement().small.get(), small_elsewhere);
}

TEST_F(FailoverTest, MemoryIsToldOfWhatRunsAndOfWhatIsKeptBesideIt) {
  bool is_lost = false;
  model::LoadedModel loaded = Load(kFirst, [&](int64_t) {
    return is_lost ? model::DeviceFaultStatus(model::DeviceFault::kLost, "SIM error: gone") : absl::OkStatus();
  });
  loaded.small = std::make_shared<FragileModel>(kFirst, nullptr, log_);
  loaded.fallback_devices = {tensor::DeviceId::Cpu()};
  loaded.standby = tensor::DeviceId::Cpu();
  servable_ = Serve("m", std::move(loaded));
  while (servable_->memory().other_weights == 0) std::this_thread::yield();  // until the standby is made
  EXPECT_EQ(servable_->memory().weights, 50u);
  EXPECT_EQ(servable_->memory().small_weights, 50u);
  EXPECT_EQ(servable_->memory().other_weights, 100u);
  is_lost = true;
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  EXPECT_EQ(servable_->memory().weights, 100u);
  EXPECT_EQ(servable_->memory().other_weights, 100u) << "of the lost device, which nothing frees";
}

TEST_F(FailoverTest, NoAnswerComesAfterItsDeadline) {
  Make([this](int64_t) {
    clock_.Advance(std::chrono::minutes(2));
    return absl::OkStatus();
  });
  EXPECT_EQ(Submit({1}, std::chrono::minutes(1)).get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Submit({1}, std::chrono::minutes(3)).get().ok());
  EXPECT_THAT(log_, ElementsAre("sim:0 1", "sim:0 1"));
}

TEST_F(FailoverTest, NoRetryStartsThatCannotFinish) {
  bool is_lost = false;
  const auto fails = [&](int64_t) {
    return is_lost ? model::DeviceFaultStatus(model::DeviceFault::kLost, "SIM error: gone") : OutOfMemory();
  };
  const auto takes_ten_minutes = [this](int64_t) {
    clock_.Advance(std::chrono::minutes(10));
    return absl::OkStatus();
  };
  model::LoadedModel loaded = Load(kFirst, fails, /*stateful=*/false, takes_ten_minutes);
  loaded.fallback_devices = {tensor::DeviceId::Cpu()};
  servable_ = Serve("m", std::move(loaded));
  EXPECT_EQ(Submit({1}, std::chrono::hours(1)).get().value().execution.device, "cpu");
  is_lost = true;
  log_.clear();
  const absl::Status status = Submit({1}, std::chrono::minutes(5)).get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("SIM error: gone"));
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
}

TEST_F(FailoverTest, WhoHasGoneIsNotRunAgain) {
  std::atomic<bool> has_gone = false;
  Make([&](int64_t) {
    has_gone = true;
    return model::DeviceFaultStatus(model::DeviceFault::kLost, "SIM error: gone");
  });
  EXPECT_EQ(Submit({1}, std::chrono::seconds(60), nullptr, [&] { return has_gone.load(); }).get().status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
}

TEST_F(FailoverTest, AStatefulCallIsNeverRunAgain) {
  Make(Always(model::DeviceFault::kLost), {tensor::DeviceId::Cpu()}, /*stateful=*/true);
  const std::shared_ptr<Session> session = servable_->OpenSession().value();
  const absl::Status first = Submit({1}, std::chrono::seconds(60), session).get().status();
  EXPECT_EQ(first.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(first), HasSubstr("not run twice"));
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
  const absl::Status second = Submit({1}, std::chrono::seconds(60), session).get().status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(second),
              HasSubstr("is not known any more, as sim:0 failed while the model ran; open a new stream"));
  // New ones begin where the model is now.
  EXPECT_EQ(Submit({1}, std::chrono::seconds(60), servable_->OpenSession().value()).get().value().execution.device,
            "cpu");
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
}

}  // namespace
}  // namespace torchferry::serving
