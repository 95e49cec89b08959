// What becomes of requests when a device fails: the servable over models of several devices that fail when they are told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <latch>
#include <thread>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/serving/servable.h"

namespace torchferry {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const DeviceId kFirst{"sim", 0};
const DeviceId kSecond{"sim", 1};

// Doubles "x" [rows, 1]. `fail` sees the rows of each forward pass, and may say that it fails.
class FragileModel : public Model {
 public:
  using Fail = std::function<absl::Status(int64_t rows)>;
  FragileModel(DeviceId device, Fail fail, std::vector<std::string>& log, bool stateful = false)
      : device_(std::move(device)), fail_(std::move(fail)), log_(log), stateful_(stateful) {
    signature_.inputs = {{"x", ArgumentKind::kTensor, DType::kFp32, Shape{kAnyDim, 1}, false}};
    signature_.max_batch_size = 16;
  }
  ~FragileModel() override { ++destroyed[ToString(device_)]; }

  const Signature& signature() const override { return signature_; }
  const DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return stateful_; }
  absl::StatusOr<std::shared_ptr<Model>> Clone() const override {
    return std::shared_ptr<Model>(std::make_shared<FragileModel>(device_, fail_, log_, true));
  }

  absl::StatusOr<std::vector<Outputs>> Predict(std::span<const BoundInputs* const> requests, PhaseTimes&) override {
    int64_t rows = 0;
    for (const BoundInputs* request : requests) rows += request->rows;
    log_.push_back(fmt::format("{} {}", ToString(device_), rows));
    if (fail_) TF_RETURN_IF_ERROR(fail_(rows));
    std::vector<Outputs> all;
    for (const BoundInputs* request : requests) {
      const HostTensor& x = request->values[0][0];
      const auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(request->rows));
      std::memcpy(values->data(), x.bytes.data(), x.bytes.size());
      for (float& value : *values) value *= 2;
      all.push_back({{"y", {DType::kFp32, x.shape, std::as_bytes(std::span(*values)), values}}});
    }
    return all;
  }
  void ReleaseCachedMemory() override { log_.push_back("release " + ToString(device_)); }

  static inline std::map<std::string, int> destroyed;

 private:
  Signature signature_;
  const DeviceId device_;
  const Fail fail_;
  std::vector<std::string>& log_;
  const bool stateful_;
};

absl::Status OutOfMemory() { return DeviceFaultStatus(DeviceFault::kOutOfMemory, "out of memory"); }

FragileModel::Fail OutOfMemoryOver(int64_t most) {
  return [most](int64_t rows) { return rows > most ? OutOfMemory() : absl::OkStatus(); };
}

FragileModel::Fail Always(DeviceFault fault) {
  return [fault](int64_t) { return DeviceFaultStatus(fault, "SIM error: what happened"); };
}

using Result = absl::StatusOr<PredictResult>;

class ShiftedClock : public Clock {
 public:
  TimePoint Now() const override { return Clock::Real().Now() + offset.load(); }
  std::atomic<Duration> offset{Duration::zero()};
};

class FailoverTest : public ::testing::Test {
 protected:
  FailoverTest() {
    FragileModel::destroyed.clear();
    health_->Add(kFirst);
    health_->Add(kSecond);
    batching_.max_rows = 16;
  }
  ~FailoverTest() override { servable_.reset(); }

  // On sim:0, which does as `fail` says, and then on `others`, which are sound.
  void Make(FragileModel::Fail fail, std::vector<DeviceId> others = {DeviceId::Cpu()}, bool stateful = false) {
    LoadedModel loaded{std::make_shared<FragileModel>(kFirst, std::move(fail), log_, stateful), {}};
    loaded.others = std::move(others);
    loaded.place = [this, stateful](const DeviceId& device) -> absl::StatusOr<PlacedModel> {
      if (on_place) TF_RETURN_IF_ERROR(on_place(device));
      return PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_, stateful), {}};
    };
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching = batching_;
    servable_.reset();
    servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1), Clock::Real(), health_);
  }

  std::future<Result> Submit(std::vector<float> values, Duration timeout = std::chrono::seconds(60), std::shared_ptr<Session> session = nullptr,
                             std::function<bool()> is_cancelled = nullptr) {
    const auto bytes = std::make_shared<std::vector<float>>(std::move(values));
    const auto promise = std::make_shared<std::promise<Result>>();
    const auto rows = static_cast<int64_t>(bytes->size());
    PredictTask task;
    task.inputs.rows = rows;
    task.inputs.values = {{{DType::kFp32, {rows, 1}, std::as_bytes(std::span(*bytes)), bytes}}};
    task.deadline = Clock::Real().Now() + timeout;
    task.session = std::move(session);
    task.is_cancelled = std::move(is_cancelled);
    // A status of its own: Debian's absl counts references without ThreadSanitizer's knowledge.
    task.done = [promise](Result result) {
      promise->set_value(result.ok() ? std::move(result) : Result(absl::Status(result.status().code(), MessageOf(result.status()))));
    };
    servable_->Submit(std::move(task));
    return promise->get_future();
  }

  // While the one worker is held up, so that they become one batch.
  std::vector<Result> Together(const std::vector<std::vector<float>>& requests) {
    std::latch go(1);
    std::latch holds(1);
    const auto blocker = scheduler_.AddQueue({}, 0, blocking_);
    blocking_.wait_for = &go;
    blocking_.holds = &holds;
    std::unique_ptr<Task> task = std::make_unique<BlockingTask>();
    EXPECT_TRUE(scheduler_.Submit(*blocker, task).ok());
    holds.wait();
    blocking_.holds = nullptr;
    std::vector<std::future<Result>> futures;
    for (const auto& values : requests) futures.push_back(Submit(values));
    go.count_down();
    std::vector<Result> results;
    for (auto& future : futures) results.push_back(future.get());
    scheduler_.Close(*blocker);
    return results;
  }

  static std::vector<float> Values(const Result& result) {
    const HostTensor& y = result.value().outputs.at(0).tensor;
    std::vector<float> values(y.bytes.size() / sizeof(float));
    std::memcpy(values.data(), y.bytes.data(), y.bytes.size());
    return values;
  }

  std::string Metric(const std::string& text) {
    const std::string page = metrics_.Serialize();
    const size_t begin = page.find(text);
    return begin == std::string::npos ? "" : page.substr(begin + text.size() + 1, page.find('\n', begin) - begin - text.size() - 1);
  }

  class BlockingTask : public Task {
    bool IsCancelled() const override { return false; }
  };
  class BlockingHandler : public Scheduler::Handler {
   public:
    void Run(std::vector<std::unique_ptr<Task>>) override {
      if (holds != nullptr) holds->count_down();
      wait_for->wait();
    }
    void Drop(std::unique_ptr<Task>, const absl::Status&) override {}
    void OnDepth(int64_t) override {}
    std::latch* wait_for = nullptr;
    std::latch* holds = nullptr;
  };

  BatchOptions batching_;
  Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, Clock::Real());
  std::vector<std::string> log_;  // forward passes, "sim:0 4"; written by the one worker
  std::function<absl::Status(const DeviceId&)> on_place;
  ShiftedClock clock_;
  BlockingHandler blocking_;
  Scheduler scheduler_{{1, nullptr}, Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

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
  EXPECT_EQ(result->outputs[0].tensor.shape, (Shape{7, 1}));
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
  Make([](int64_t rows) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    return rows > 1 ? OutOfMemory() : absl::OkStatus();
  });
  const absl::Status status = Submit(std::vector<float>(16, 1), std::chrono::milliseconds(300)).get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(log_.size(), 16u);  // with the releases
}

TEST_F(FailoverTest, OneRowThatDoesNotFitRunsOnTheNextPlacement) {
  Make(OutOfMemoryOver(0));
  for (int i = 0; i < 3; ++i) {
    const Result result = Submit({1, 2}).get();
    EXPECT_THAT(Values(result), ElementsAre(2, 4));
    EXPECT_EQ(result->execution.device, "cpu");
    EXPECT_TRUE(result->execution.fallback);
    EXPECT_EQ(result->execution.fallback_reason, "out_of_memory");
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
  Make(Always(DeviceFault::kLost));
  const auto results = Together({{1}, {2}, {3}});
  for (const Result& result : results) {
    EXPECT_EQ(result.value().execution.device, "cpu");
    EXPECT_EQ(result->execution.fallback_reason, "device_lost");
  }
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kLost);
  EXPECT_EQ(Metric("torchferry_device_up{device=\"sim:0\"}"), "0");
  log_.clear();
  EXPECT_TRUE(Submit({1}).get().ok());
  EXPECT_THAT(log_, ElementsAre("cpu 1"));
  const PlacedModel now = servable_->placement();
  EXPECT_EQ(ToString(now.model->device()), "cpu");
  EXPECT_EQ(now.info.fallback_reason, "device_lost");
}

TEST_F(FailoverTest, WhatIsOnALostDeviceIsNotDestroyed) {
  Make(Always(DeviceFault::kLost));
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
  Make([&](int64_t) { return fails ? DeviceFaultStatus(DeviceFault::kTransient, "SIM error: busy") : absl::OkStatus(); });
  const Result result = Submit({1}).get();
  EXPECT_EQ(result.value().execution.device, "cpu");
  EXPECT_EQ(result->execution.fallback_reason, "device_error");
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kProbation);
  fails = false;
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  health_->ReportSound(kFirst);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "sim:0");
  EXPECT_EQ(Metric("torchferry_device_up{device=\"sim:0\"}"), "1");
}

TEST_F(FailoverTest, WhatTheDeviceCannotDoAnotherDoesAndItStaysUp) {
  Make(Always(DeviceFault::kUnsupported));
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
}

TEST_F(FailoverTest, TheModelsOwnErrorIsNotTriedElsewhere) {
  Make([](int64_t) { return absl::InternalError("the model raised: CUDA error: an illegal memory access was encountered"); });
  EXPECT_EQ(Submit({1}).get().status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
  EXPECT_EQ(health_->Get(kFirst), DeviceState::kUp);
}

TEST_F(FailoverTest, WithoutAnotherPlacementTheFaultIsTheAnswer) {
  Make(Always(DeviceFault::kLost), {});
  const absl::Status first = Submit({1}).get().status();
  EXPECT_EQ(first.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(first), HasSubstr("SIM error"));
  const absl::Status second = Submit({1}).get().status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(second), AllOf(HasSubstr("sim:0 is lost"), HasSubstr("fallback: CPU")));
}

TEST_F(FailoverTest, TheSecondDeviceIsNextAndTheCpuServesUntilItIsMade) {
  std::latch second_made(1);
  on_place = [&](const DeviceId& device) {
    if (device == kSecond) second_made.wait();
    return absl::OkStatus();
  };
  Make(Always(DeviceFault::kLost), {kSecond, DeviceId::Cpu()});
  std::future<Result> first = Submit({1});  // waits for the first placement that is made
  second_made.count_down();
  EXPECT_EQ(first.get().value().execution.device, "sim:1");
  EXPECT_EQ(Submit({1}).get().value().execution.fallback_reason, "device_lost");
}

TEST_F(FailoverTest, APlacementThatCannotBeMadeIsPassedOver) {
  on_place = [](const DeviceId& device) { return device == kSecond ? OutOfMemory() : absl::OkStatus(); };
  Make(Always(DeviceFault::kLost), {kSecond, DeviceId::Cpu()});
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, RequestsWaitForAPlacementThatIsBeingMadeAndOthersGoOn) {
  std::latch made(1);
  on_place = [&](const DeviceId&) {
    made.wait();
    return absl::OkStatus();
  };
  Make(Always(DeviceFault::kLost));
  std::vector<std::future<Result>> waiting;
  for (float i = 0; i < 4; ++i) waiting.push_back(Submit({i}));
  // The one worker is free for another model meanwhile.
  std::latch go(0);
  blocking_.wait_for = &go;
  const auto other = scheduler_.AddQueue({}, 0, blocking_);
  std::unique_ptr<Task> task = std::make_unique<BlockingTask>();
  EXPECT_TRUE(scheduler_.Submit(*other, task).ok());
  scheduler_.Close(*other);
  made.count_down();
  for (auto& future : waiting) EXPECT_EQ(future.get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, WhoWaitsForAPlacementWaitsAsInTheQueue) {
  std::latch made(1);
  on_place = [&](const DeviceId&) {
    made.wait();
    return absl::OkStatus();
  };
  batching_.max_queue_size = 2;
  Make(Always(DeviceFault::kLost));
  std::future<Result> late = Submit({1}, std::chrono::milliseconds(50));
  std::atomic<bool> has_gone = false;
  std::future<Result> gone = Submit({1}, std::chrono::seconds(60), nullptr, [&] { return has_gone.load(); });
  while (Metric("torchferry_queue_depth{model=\"m\",version=\"1\"}") != "2") std::this_thread::yield();
  EXPECT_EQ(Submit({1}).get().status().code(), absl::StatusCode::kUnavailable);  // full
  EXPECT_EQ(late.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  has_gone = true;
  EXPECT_EQ(gone.get().status().code(), absl::StatusCode::kCancelled);
  std::future<Result> patient = Submit({1});  // there is room again
  made.count_down();
  EXPECT_EQ(patient.get().value().execution.device, "cpu");
}

TEST_F(FailoverTest, AVersionGoesWhereItWouldRatherBeWhenThatWorks) {
  LoadedModel loaded{std::make_shared<FragileModel>(DeviceId::Cpu(), nullptr, log_), {}};
  loaded.rather = {kFirst};
  loaded.info.fallback = true;
  loaded.info.fallback_from = "sim:0";
  loaded.info.fallback_reason = "load_failed";
  loaded.place = [this](const DeviceId& device) -> absl::StatusOr<PlacedModel> {
    return PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  clock_.offset = Duration::zero();
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1), clock_, health_);
  EXPECT_EQ(Submit({1}).get().value().execution.fallback_reason, "load_failed");
  clock_.offset = std::chrono::seconds(11);
  while (Submit({1}).get().value().execution.device != "sim:0") std::this_thread::yield();
  EXPECT_FALSE(Submit({1}).get().value().execution.fallback);
  EXPECT_EQ(Metric("torchferry_fallbacks_total{from=\"sim:0\",model=\"m\",reason=\"load_failed\",to=\"cpu\"}"), "1");
}

TEST_F(FailoverTest, TwoModelsThatShareADeviceBothMoveAndNeitherWaitsForTheOther) {
  std::latch never_first(1);
  on_place = [&](const DeviceId&) {
    never_first.wait();
    return absl::OkStatus();
  };
  Make(nullptr);
  const std::unique_ptr<Servable> waiting = std::move(servable_);
  on_place = nullptr;
  // The closure of the first reads on_place when it runs: give the second one that does not wait.
  LoadedModel loaded{std::make_shared<FragileModel>(kFirst, Always(DeviceFault::kLost), log_), {}};
  loaded.others = {DeviceId::Cpu()};
  loaded.place = [this](const DeviceId& device) -> absl::StatusOr<PlacedModel> {
    return PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "n";
  options.batching.max_rows = 16;
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("n", 1), Clock::Real(), health_);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  never_first.count_down();
  while (ToString(waiting->placement().model->device()) != "cpu") std::this_thread::yield();  // without a request of its own
}

TEST_F(FailoverTest, AStandbyIsMadeAheadOfNeed) {
  std::promise<void> made;
  on_place = [&](const DeviceId&) {
    made.set_value();
    return absl::OkStatus();
  };
  LoadedModel loaded{std::make_shared<FragileModel>(kFirst, nullptr, log_), {}};
  loaded.others = {kSecond, DeviceId::Cpu()};
  loaded.standby = DeviceId::Cpu();
  loaded.place = [this](const DeviceId& device) -> absl::StatusOr<PlacedModel> {
    TF_RETURN_IF_ERROR(on_place(device));
    return PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1), Clock::Real(), health_);
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
  LoadedModel loaded{std::make_shared<FragileModel>(kFirst,
                                                    [&](int64_t) {
                                                      return is_lost ? DeviceFaultStatus(DeviceFault::kLost, "SIM error: gone") : OutOfMemory();
                                                    },
                                                    log_),
                     {}};
  loaded.others = {DeviceId::Cpu()};
  loaded.place = [this](const DeviceId& device) -> absl::StatusOr<PlacedModel> {
    const auto slow = [](int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      return absl::OkStatus();
    };
    return PlacedModel{std::make_shared<FragileModel>(device, slow, log_), {}};
  };
  Servable::Options options;
  options.name = "m";
  servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1), Clock::Real(), health_);
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
  is_lost = true;
  log_.clear();
  const absl::Status status = Submit({1}, std::chrono::milliseconds(200)).get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(MessageOf(status), HasSubstr("SIM error: gone"));
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
}

TEST_F(FailoverTest, WhoHasGoneIsNotRunAgain) {
  std::atomic<bool> has_gone = false;
  Make([&](int64_t) {
    has_gone = true;
    return DeviceFaultStatus(DeviceFault::kLost, "SIM error: gone");
  });
  EXPECT_EQ(Submit({1}, std::chrono::seconds(60), nullptr, [&] { return has_gone.load(); }).get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
}

TEST_F(FailoverTest, AStatefulCallIsNeverRunAgain) {
  Make(Always(DeviceFault::kLost), {DeviceId::Cpu()}, /*stateful=*/true);
  const std::shared_ptr<Session> session = servable_->OpenSession().value();
  const absl::Status first = Submit({1}, std::chrono::seconds(60), session).get().status();
  EXPECT_EQ(first.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(first), HasSubstr("not run twice"));
  EXPECT_THAT(log_, ElementsAre("sim:0 1"));
  const absl::Status second = Submit({1}, std::chrono::seconds(60), session).get().status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(second), HasSubstr("is not known any more, as sim:0 failed while the model ran; open a new stream"));
  // New ones begin where the model is now.
  EXPECT_EQ(Submit({1}, std::chrono::seconds(60), servable_->OpenSession().value()).get().value().execution.device, "cpu");
  EXPECT_EQ(Submit({1}).get().value().execution.device, "cpu");
}

}  // namespace
}  // namespace torchferry
