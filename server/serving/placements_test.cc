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
  std::latch go(0);
  blocking_.wait_for = &go;
  const auto other = scheduler_.AddQueue({}, blocking_);
  std::unique_ptr<batching::Task> task = std::make_unique<BlockingTask>();
  EXPECT_TRUE(scheduler_.Submit(*other, task).ok());
  scheduler_.Close(*other);
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
  model::LoadedModel loaded{std::make_shared<FragileModel>(tensor::DeviceId::Cpu(), nullptr, log_), {}};
  loaded.rather = {kFirst};
  loaded.info.fallback = true;
  loaded.info.fallback_from = "sim:0";
  loaded.info.fallback_reason = tensor::FallbackReason::kLoadFailed;
  loaded.place = [this](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
    return model::PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  clock_.offset = base::Duration::zero();
  servable_ =
      std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1), clock_, health_);
  EXPECT_EQ(Submit({1}).get().value().execution.fallback_reason, tensor::FallbackReason::kLoadFailed);
  clock_.offset = std::chrono::seconds(11);
  while (Submit({1}).get().value().execution.device != "sim:0") std::this_thread::yield();
  EXPECT_FALSE(Submit({1}).get().value().execution.fallback);
  EXPECT_EQ(Metric("torchferry_fallbacks_total{from=\"sim:0\",model=\"m\",reason=\"load_failed\",to=\"cpu\"}"), "1");
}

TEST_F(FailoverTest, TwoModelsThatShareADeviceBothMoveAndNeitherWaitsForTheOther) {
  std::latch never_first(1);
  on_place = [&](const tensor::DeviceId&) {
    never_first.wait();
    return absl::OkStatus();
  };
  Make(nullptr);
  const std::unique_ptr<Servable> waiting = std::move(servable_);
  on_place = nullptr;
  // The closure of the first reads on_place when it runs: give the second one that does not wait.
  model::LoadedModel loaded{std::make_shared<FragileModel>(kFirst, Always(model::DeviceFault::kLost), log_), {}};
  loaded.others = {tensor::DeviceId::Cpu()};
  loaded.place = [this](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
    return model::PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "n";
  options.batching.max_rows = 16;
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("n", 1),
                                         base::Clock::Real(), health_);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  never_first.count_down();
  while (tensor::ToString(waiting->placement().model->device()) != "cpu")
    std::this_thread::yield();  // without a request of its own
}

TEST_F(FailoverTest, AStandbyIsMadeAheadOfNeed) {
  std::promise<void> made;
  on_place = [&](const tensor::DeviceId&) {
    made.set_value();
    return absl::OkStatus();
  };
  model::LoadedModel loaded{std::make_shared<FragileModel>(kFirst, nullptr, log_), {}};
  loaded.others = {kSecond, tensor::DeviceId::Cpu()};
  loaded.standby = tensor::DeviceId::Cpu();
  loaded.place = [this](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
    FERRY_RETURN_IF_ERROR(on_place(device));
    return model::PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1),
                                         base::Clock::Real(), health_);
  made.get_future().wait();
  EXPECT_EQ(Submit({1}).get().value().execution.device, "sim:0");
}

TEST_F(FailoverTest, NoAnswerComesAfterItsDeadline) {
  Make([](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return absl::OkStatus();
  });
  const absl::Status status = Submit({1}, std::chrono::milliseconds(10)).get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(FailoverTest, NoRetryStartsThatCannotFinish) {
  // The CPU has been seen to take 400 ms.
  bool is_lost = false;
  on_place = nullptr;
  model::LoadedModel loaded{
      std::make_shared<FragileModel>(
          kFirst,
          [&](int64_t) {
            return is_lost ? model::DeviceFaultStatus(model::DeviceFault::kLost, "SIM error: gone") : OutOfMemory();
          },
          log_),
      {}};
  loaded.others = {tensor::DeviceId::Cpu()};
  loaded.place = [this](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
    const auto slow = [](int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      return absl::OkStatus();
    };
    return model::PlacedModel{std::make_shared<FragileModel>(device, slow, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1),
                                         base::Clock::Real(), health_);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  is_lost = true;
  log_.clear();
  const absl::Status status = Submit({1}, std::chrono::milliseconds(200)).get().status();
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
