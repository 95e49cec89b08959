// How many batches of a model run at the same time: on an accelerator as many as its instances, on the CPU as many as
// there are workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>

#include "server/batching/test_tasks.h"
#include "server/model/device_fault.h"
#include "server/serving/test_requests.h"

namespace torchferry::serving {
namespace {

constexpr int kWorkers = 4;

// Whoever passes waits until it is open.
class Gate {
 public:
  void Pass() {
    base::MutexLock lock(mutex_);
    max_ = std::max(max_, ++inside_);
    changed_.NotifyAll();
    while (!is_open_) changed_.Wait(mutex_);
    --inside_;
  }
  void Open() {
    base::MutexLock lock(mutex_);
    is_open_ = true;
    changed_.NotifyAll();
  }
  // False when so many do not come within a minute.
  bool WaitUntilInside(int count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    base::MutexLock lock(mutex_);
    while (inside_ < count && changed_.WaitUntil(mutex_, end)) {
    }
    return inside_ >= count;
  }
  // At the same time, so far.
  int most() {
    base::MutexLock lock(mutex_);
    return max_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_open_ FERRY_GUARDED_BY(mutex_) = false;
  int inside_ FERRY_GUARDED_BY(mutex_) = 0;
  int max_ FERRY_GUARDED_BY(mutex_) = 0;
};

class GatedModel final : public model::Model {
 public:
  // `fails`: the first time.
  GatedModel(tensor::DeviceId device, Gate& gate, model::DeviceFault fails)
      : device_(std::move(device)), gate_(gate), fails_(fails) {}
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    if (fails_ != model::DeviceFault::kNone && !has_failed_.exchange(true))
      return model::DeviceFaultStatus(fails_, "SIM error: what happened");
    gate_.Pass();
    return std::vector<model::Outputs>(requests.size());
  }

 private:
  const tensor::Signature signature_ = SignatureOfX(1);
  const tensor::DeviceId device_;
  Gate& gate_;
  const model::DeviceFault fails_;
  std::atomic<bool> has_failed_ = false;
};

class InstancesTest : public ::testing::Test {
 protected:
  void Make(const tensor::DeviceId& device, int instances, model::DeviceFault fails = model::DeviceFault::kNone) {
    if (!device.IsCpu()) health_->Add(device);
    model::LoadedModel loaded{std::make_shared<GatedModel>(device, gate_, fails), {}};
    if (!device.IsCpu()) loaded.fallback_devices = {tensor::DeviceId::Cpu()};
    loaded.place = [this](const tensor::DeviceId& other) -> absl::StatusOr<model::PlacedModel> {
      return model::PlacedModel{std::make_shared<GatedModel>(other, gate_, model::DeviceFault::kNone), {}};
    };
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching.max_rows = 1;
    options.instances = instances;
    servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1),
                                           base::Clock::Real(), health_);
  }

  void Submit(int requests) {
    for (int i = 0; i < requests; ++i) answers_.push_back(serving::Submit(*servable_, {1}));
  }

  void ExpectAnswers() {
    gate_.Open();
    for (auto& answer : answers_) EXPECT_TRUE(answer.get().ok());
  }

  Gate gate_;
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = kWorkers}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
  std::vector<std::future<Result>> answers_;
};

// The other workers look at what waits here, and pass over it: they take what has come to another queue after that.
TEST_F(InstancesTest, OnAnAcceleratorAsManyAsItsInstances) {
  Make({"sim", 0}, 2);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilInside(2));
  Gate other_gate;
  batching::FakeHandler other;
  other.on_run = [&](const auto&) { other_gate.Pass(); };
  const auto queue = scheduler_.AddQueue(batching::UpTo(1), other);
  for (int others = 1; others <= kWorkers - 2; ++others) {
    EXPECT_TRUE(batching::Submit(scheduler_, *queue).ok());
    EXPECT_TRUE(other_gate.WaitUntilInside(others));
  }
  other_gate.Open();
  ExpectAnswers();
  EXPECT_EQ(gate_.most(), 2);
  scheduler_.Close(*queue);
}

TEST_F(InstancesTest, WithoutALimitAsManyAsThereAreWorkers) {
  Make({"sim", 0}, 0);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilInside(kWorkers));
  ExpectAnswers();
}

TEST_F(InstancesTest, OnTheCpuAsManyAsThereAreWorkers) {
  Make(tensor::DeviceId::Cpu(), 2);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilInside(kWorkers));
  ExpectAnswers();
}

// It has no memory for that one.
TEST_F(InstancesTest, ABatchThatWentToTheCpuLeavesItsPlace) {
  Make({"sim", 0}, 1, model::DeviceFault::kOutOfMemory);
  Submit(1);
  EXPECT_TRUE(gate_.WaitUntilInside(1));
  Submit(1);
  EXPECT_TRUE(gate_.WaitUntilInside(2));
  ExpectAnswers();
}

TEST_F(InstancesTest, AfterItsDeviceIsLostAsManyAsThereAreWorkers) {
  Make({"sim", 0}, 2, model::DeviceFault::kLost);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilInside(kWorkers));
  ExpectAnswers();
}

}  // namespace
}  // namespace torchferry::serving
