// How many batches of a model run at the same time: on an accelerator as many as its instances, on the CPU as many as
// there are workers.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "server/model/device_fault.h"
#include "server/serving/servable.h"

namespace torchferry::serving {
namespace {

constexpr int kWorkers = 4;

// Each forward pass takes until it is told to end.
struct Gate {
  std::atomic<bool> is_open{false};
  std::atomic<int> running{0};
  std::atomic<int> most{0};

  void Pass() {
    const int now = ++running;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    is_open.wait(false);
    --running;
  }
  void Open() {
    is_open = true;
    is_open.notify_all();
  }
  bool WaitUntilRunning(int count) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (running < count && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return running >= count;
  }
};

class GatedModel final : public model::Model {
 public:
  // `fails`: the first time.
  GatedModel(tensor::DeviceId device, Gate& gate, model::DeviceFault fails)
      : device_(std::move(device)), gate_(gate), fails_(fails) {
    signature_.max_batch_size = 1;
  }
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
  tensor::Signature signature_;
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
    if (!device.IsCpu()) loaded.others = {tensor::DeviceId::Cpu()};
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
    for (int i = 0; i < requests; ++i) {
      const auto promise = std::make_shared<std::promise<bool>>();
      answers_.push_back(promise->get_future());
      PredictTask task;
      task.inputs.rows = 1;
      task.done = [promise](const absl::StatusOr<PredictResult>& result) { promise->set_value(result.ok()); };
      servable_->Submit(std::move(task));
    }
  }

  void ExpectAnswers() {
    gate_.Open();
    for (auto& answer : answers_) EXPECT_TRUE(answer.get());
  }

  Gate gate_;
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = kWorkers}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
  std::vector<std::future<bool>> answers_;
};

TEST_F(InstancesTest, OnAnAcceleratorAsManyAsItsInstances) {
  Make({"sim", 0}, 2);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilRunning(2));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // in which a third one would come
  ExpectAnswers();
  EXPECT_EQ(gate_.most, 2);
}

TEST_F(InstancesTest, WithoutALimitAsManyAsThereAreWorkers) {
  Make({"sim", 0}, 0);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilRunning(kWorkers));
  ExpectAnswers();
}

TEST_F(InstancesTest, OnTheCpuAsManyAsThereAreWorkers) {
  Make(tensor::DeviceId::Cpu(), 2);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilRunning(kWorkers));
  ExpectAnswers();
}

// It has no memory for that one.
TEST_F(InstancesTest, ABatchThatWentToTheCpuLeavesItsPlace) {
  Make({"sim", 0}, 1, model::DeviceFault::kOutOfMemory);
  Submit(1);
  EXPECT_TRUE(gate_.WaitUntilRunning(1));
  Submit(1);
  EXPECT_TRUE(gate_.WaitUntilRunning(2));
  ExpectAnswers();
}

TEST_F(InstancesTest, AfterItsDeviceIsLostAsManyAsThereAreWorkers) {
  Make({"sim", 0}, 2, model::DeviceFault::kLost);
  Submit(8);
  EXPECT_TRUE(gate_.WaitUntilRunning(kWorkers));
  ExpectAnswers();
}

}  // namespace
}  // namespace torchferry::serving
