// A servable over models of several devices that fail when they are told to, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/serving/servable.h"

namespace torchferry::serving {

inline const tensor::DeviceId kFirst{"sim", 0};
inline const tensor::DeviceId kSecond{"sim", 1};

// Doubles "x" [rows, 1]. `fail` sees the rows of each forward pass, and may say that it fails.
class FragileModel : public model::Model {
 public:
  using Fail = std::function<absl::Status(int64_t rows)>;
  FragileModel(tensor::DeviceId device, Fail fail, std::vector<std::string>& log, bool stateful = false)
      : device_(std::move(device)), fail_(std::move(fail)), log_(log), stateful_(stateful) {
    signature_.inputs = {
        {"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, tensor::Shape{tensor::kAnyDim, 1}, false}};
    signature_.max_batch_size = 16;
  }
  ~FragileModel() override { ++destroyed[tensor::ToString(device_)]; }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return stateful_; }
  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    return std::shared_ptr<model::Model>(std::make_shared<FragileModel>(device_, fail_, log_, true));
  }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    int64_t rows = 0;
    for (const tensor::BoundInputs* request : requests) rows += request->rows;
    log_.push_back(fmt::format("{} {}", tensor::ToString(device_), rows));
    if (fail_) FERRY_RETURN_IF_ERROR(fail_(rows));
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      const tensor::HostTensor& x = request->values[0][0];
      const auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(request->rows));
      std::memcpy(values->data(), x.bytes.data(), x.bytes.size());
      for (float& value : *values) value *= 2;
      all.push_back({{"y", {tensor::DType::kFp32, x.shape, std::as_bytes(std::span(*values)), values}}});
    }
    return all;
  }
  void ReleaseCachedMemory() override { log_.push_back("release " + tensor::ToString(device_)); }

  static inline std::map<std::string, int> destroyed;

 private:
  tensor::Signature signature_;
  const tensor::DeviceId device_;
  const Fail fail_;
  std::vector<std::string>& log_;
  const bool stateful_;
};

inline absl::Status OutOfMemory() {
  return model::DeviceFaultStatus(model::DeviceFault::kOutOfMemory, "out of memory");
}

inline FragileModel::Fail OutOfMemoryOver(int64_t most) {
  return [most](int64_t rows) { return rows > most ? OutOfMemory() : absl::OkStatus(); };
}

inline FragileModel::Fail Always(model::DeviceFault fault) {
  return [fault](int64_t) { return model::DeviceFaultStatus(fault, "SIM error: what happened"); };
}

using Result = absl::StatusOr<PredictResult>;

class ShiftedClock : public base::Clock {
 public:
  base::TimePoint Now() const override { return base::Clock::Real().Now() + offset.load(); }
  std::atomic<base::Duration> offset{base::Duration::zero()};
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
  void Make(FragileModel::Fail fail, std::vector<tensor::DeviceId> others = {tensor::DeviceId::Cpu()},
            bool stateful = false) {
    model::LoadedModel loaded{std::make_shared<FragileModel>(kFirst, std::move(fail), log_, stateful), {}};
    loaded.others = std::move(others);
    loaded.place = [this, stateful](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
      if (on_place) FERRY_RETURN_IF_ERROR(on_place(device));
      return model::PlacedModel{std::make_shared<FragileModel>(device, nullptr, log_, stateful), {}};
    };
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching = batching_;
    servable_.reset();
    servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1),
                                           base::Clock::Real(), health_);
  }

  std::future<Result> Submit(std::vector<float> values, base::Duration timeout = std::chrono::seconds(60),
                             std::shared_ptr<Session> session = nullptr, std::function<bool()> is_cancelled = nullptr) {
    const auto bytes = std::make_shared<std::vector<float>>(std::move(values));
    const auto promise = std::make_shared<std::promise<Result>>();
    const auto rows = static_cast<int64_t>(bytes->size());
    PredictTask task;
    task.inputs.rows = rows;
    task.inputs.values = {{{tensor::DType::kFp32, {rows, 1}, std::as_bytes(std::span(*bytes)), bytes}}};
    task.deadline = base::Clock::Real().Now() + timeout;
    task.session = std::move(session);
    task.is_cancelled = std::move(is_cancelled);
    // A status of its own: Debian's absl counts references without ThreadSanitizer's knowledge.
    task.done = [promise](Result result) {
      promise->set_value(result.ok() ? std::move(result)
                                     : Result(absl::Status(result.status().code(), base::MessageOf(result.status()))));
    };
    servable_->Submit(std::move(task));
    return promise->get_future();
  }

  // While the one worker is held up, so that they become one batch.
  std::vector<Result> Together(const std::vector<std::vector<float>>& requests) {
    std::latch go(1);
    std::latch holds(1);
    const auto blocker = scheduler_.AddQueue({}, blocking_);
    blocking_.wait_for = &go;
    blocking_.holds = &holds;
    std::unique_ptr<batching::Task> task = std::make_unique<BlockingTask>();
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
    const tensor::HostTensor& y = result.value().outputs.at(0).tensor;
    std::vector<float> values(y.bytes.size() / sizeof(float));
    std::memcpy(values.data(), y.bytes.data(), y.bytes.size());
    return values;
  }

  std::string Metric(const std::string& text) {
    const std::string page = metrics_.Serialize();
    const size_t begin = page.find(text);
    return begin == std::string::npos
               ? ""
               : page.substr(begin + text.size() + 1, page.find('\n', begin) - begin - text.size() - 1);
  }

  class BlockingTask : public batching::Task {
    bool IsCancelled() const override { return false; }
  };
  class BlockingHandler : public batching::Scheduler::Handler {
   public:
    void Run(std::vector<std::unique_ptr<batching::Task>>) override {
      if (holds != nullptr) holds->count_down();
      wait_for->wait();
    }
    void Drop(std::unique_ptr<batching::Task>, const absl::Status&) override {}
    void OnDepth(int64_t) override {}
    std::latch* wait_for = nullptr;
    std::latch* holds = nullptr;
  };

  batching::BatchOptions batching_;
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  std::vector<std::string> log_;  // forward passes, "sim:0 4"; written by the one worker
  std::function<absl::Status(const tensor::DeviceId&)> on_place;
  ShiftedClock clock_;
  BlockingHandler blocking_;
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

}  // namespace torchferry::serving
