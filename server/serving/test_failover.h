// For the tests: a servable over models of several devices, which fail on demand.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/status.h"
#include "server/batching/test_tasks.h"
#include "server/model/device_fault.h"
#include "server/serving/test_requests.h"

namespace torchferry::serving {

inline const tensor::DeviceId kFirst{"sim", 0};
inline const tensor::DeviceId kSecond{"sim", 1};

// Doubles "x". `fail` gets the rows of each forward pass, and may return an error for it.
class FragileModel : public model::Model {
 public:
  using Fail = std::function<absl::Status(int64_t rows)>;
  FragileModel(tensor::DeviceId device, Fail fail, std::vector<std::string>& log, bool stateful = false)
      : device_(std::move(device)), fail_(std::move(fail)), log_(log), stateful_(stateful) {}
  ~FragileModel() override { ++destroyed[tensor::ToString(device_)]; }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return stateful_; }
  uint64_t weight_bytes() const override { return device_.IsCpu() ? 100 : 50; }
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
    for (const tensor::BoundInputs* request : requests) all.push_back(Doubled(*request));
    return all;
  }
  void ReleaseCachedMemory() override { log_.push_back("release " + tensor::ToString(device_)); }

  static inline std::map<std::string, int> destroyed;

 private:
  const tensor::Signature signature_ = SignatureOfX(16);
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

// The process's clock, plus the time that a test adds.
class ShiftedClock : public base::Clock {
 public:
  base::TimePoint Now() const override { return base::Clock::Real().Now() + offset_.load(); }
  // Only one thread at a time may call it.
  void Advance(base::Duration duration) { offset_ = offset_.load() + duration; }

 private:
  std::atomic<base::Duration> offset_{base::Duration::zero()};
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

  // Makes the servable on sim:0, which fails as `fail` says, with `others` as sound fallback devices.
  void Make(FragileModel::Fail fail, std::vector<tensor::DeviceId> others = {tensor::DeviceId::Cpu()},
            bool stateful = false) {
    model::LoadedModel loaded = Load(kFirst, std::move(fail), stateful);
    loaded.fallback_devices = std::move(others);
    servable_.reset();
    servable_ = Serve("m", std::move(loaded));
  }

  // A model on `device`, which fails as `fail` says. Placed elsewhere, if on_place allows that, it fails as
  // `fail_elsewhere` says.
  model::LoadedModel Load(const tensor::DeviceId& device, FragileModel::Fail fail, bool stateful = false,
                          FragileModel::Fail fail_elsewhere = nullptr) {
    model::LoadedModel loaded{std::make_shared<FragileModel>(device, std::move(fail), log_, stateful), {}};
    loaded.place = [this, stateful, on_place = on_place, fail_elsewhere = std::move(fail_elsewhere)](
                       const tensor::DeviceId& other) -> absl::StatusOr<model::PlacedModel> {
      if (on_place) FERRY_RETURN_IF_ERROR(on_place(other));
      return model::PlacedModel{std::make_shared<FragileModel>(other, fail_elsewhere, log_, stateful), {}};
    };
    return loaded;
  }

  std::unique_ptr<Servable> Serve(const std::string& name, model::LoadedModel loaded) {
    Servable::Options options;
    options.name = name;
    options.version = 1;
    options.batching = batching_;
    return std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel(name, 1), clock_,
                                      health_);
  }

  std::future<Result> Submit(std::vector<float> x, base::Duration timeout = std::chrono::seconds(60),
                             std::shared_ptr<Session> session = nullptr, std::function<bool()> is_cancelled = nullptr) {
    PredictTask task;
    task.deadline = clock_.Now() + timeout;
    task.session = std::move(session);
    task.is_cancelled = std::move(is_cancelled);
    return serving::Submit(*servable_, std::move(x), std::move(task));
  }

  // Submits while the one worker is busy, so that the requests form one batch.
  std::vector<Result> Together(const std::vector<std::vector<float>>& requests) {
    std::latch holds(1);
    std::latch go(1);
    batching::FakeHandler blocking;
    blocking.on_run = [&](const auto&) {
      holds.count_down();
      go.wait();
    };
    const auto blocker = scheduler_.AddQueue({}, blocking);
    EXPECT_TRUE(batching::Submit(scheduler_, *blocker).ok());
    holds.wait();
    std::vector<std::future<Result>> futures;
    for (const auto& values : requests) futures.push_back(Submit(values));
    go.count_down();
    std::vector<Result> results;
    for (auto& future : futures) results.push_back(future.get());
    scheduler_.Close(*blocker);
    return results;
  }

  std::string Metric(const std::string& text) {
    const std::string page = metrics_.Serialize();
    const size_t begin = page.find(text);
    return begin == std::string::npos
               ? ""
               : page.substr(begin + text.size() + 1, page.find('\n', begin) - begin - text.size() - 1);
  }

  batching::BatchOptions batching_;
  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  std::vector<std::string> log_;  // forward passes, "sim:0 4"; written by the one worker
  std::function<absl::Status(const tensor::DeviceId&)> on_place;  // for models that are loaded from now on
  ShiftedClock clock_;
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

}  // namespace torchferry::serving
