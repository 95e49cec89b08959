// Helpers of the registry's tests: servables that do nothing, a store in a temporary folder, and a registry. Its loads
// can be delayed or made to fail.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/registry/registry.h"

namespace torchferry::registry {

class NothingModel : public model::Model {
 public:
  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    return std::vector<model::Outputs>(requests.size());
  }

 private:
  const tensor::Signature signature_{};
  const tensor::DeviceId device_{};
};

// Makes servables of NothingModel. They must end before this does.
class ServableMaker {
 public:
  std::unique_ptr<serving::Servable> Make(const std::string& model, int64_t version) {
    serving::Servable::Options options;
    options.name = model;
    options.version = version;
    return std::make_unique<serving::Servable>(options, model::LoadedModel{std::make_shared<NothingModel>(), {}},
                                               scheduler_, metrics_.ForModel(model, version), base::Clock::Real(),
                                               health_);
  }
  metrics::Metrics& metrics() { return metrics_; }

 private:
  metrics::Metrics metrics_;
  std::shared_ptr<serving::DeviceHealth> health_ =
      std::make_shared<serving::DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
};

// A model store in a temporary folder of one test. The folder is removed at the end.
class TestStore {
 public:
  TestStore() {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestStore() { std::filesystem::remove_all(path_); }

  std::string path() const { return path_.string(); }
  void Put(const std::string& model, int64_t version, const std::string& content = "a model") {
    const auto folder = path_ / model / std::to_string(version);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "m.pt") << content;
  }
  void PutConfig(const std::string& model, const std::string& text) {
    std::filesystem::create_directories(path_ / model);
    std::ofstream(path_ / model / "config.pbtxt") << text;
  }
  void Remove(const std::string& model) { std::filesystem::remove_all(path_ / model); }

 private:
  const std::filesystem::path path_ =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("torchferry_registry_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

inline ModelFolder Folder(std::string name, std::vector<int64_t> versions) {
  return {std::move(name), config::ModelConfig{}, std::move(versions), {}, {}};
}

// A registry over `store_`. The model "bad" and the version `failing` fail to load.
class RegistryTest : public ::testing::Test {
 protected:
  using Answer = std::future<absl::Status>;

  RegistryTest() {
    registry_.SetListener([this] {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
  }

  absl::StatusOr<std::unique_ptr<serving::Servable>> MakeServable(const std::string& model, int64_t version) {
    if (on_load) on_load();
    loaded.push_back(version);
    if (model == "bad" || version == failing) return absl::DataLossError("bad/1/m.pt: is damaged");
    return maker_.Make(model, version);
  }

  // Begins with the models of the store, and waits until they are loaded.
  void Begin() { Begin(ScanStore(store_.path()).value()); }
  void Begin(const std::vector<ModelFolder>& models) {
    registry_.Add(models);
    registry_.StartLoading();
    WaitUntil([this] {
      return NotReadyReason(registry_.List(), ReadinessPolicy::kAll).find("still loading") == std::string::npos;
    });
  }

  Answer Load(const std::string& model, const std::vector<int64_t>& versions = {}) {
    return Ask([&](Registry::Done done) { registry_.Load(model, versions, std::move(done)); });
  }
  Answer Unload(const std::string& model, int64_t version = 0) {
    return Ask([&](Registry::Done done) { registry_.Unload(model, version, std::move(done)); });
  }
  void Rescan() {
    EXPECT_TRUE(Ask([&](Registry::Done done) { registry_.Rescan(std::move(done)); }).get().ok());
  }

  // "2 ready, 1 unloading".
  std::string States(const std::string& model = "m") const {
    std::string text;
    for (const VersionStatus& status : registry_.List(model)) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", status.version, Name(status.state));
    }
    return text;
  }
  void WaitForStates(const std::string& states, const std::string& model = "m") {
    WaitUntil([&] { return States(model) == states; });
  }
  // Checks `is_met` now and after each change of a state.
  template <typename Condition>
  void WaitUntil(Condition is_met) {
    base::MutexLock lock(mutex_);
    while (!is_met()) changed_.Wait(mutex_);
  }
  // Waits until Stop has emptied the registry, which does not count as a change of a state.
  void WaitUntilStopping() const {
    while (!registry_.List().empty()) std::this_thread::yield();
  }

  TestStore store_;
  ServableMaker maker_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::function<void()> on_load;  // called at the start of each load; set while nothing is loading
  int64_t failing = 0;            // set while nothing is loading
  std::vector<int64_t> loaded;    // versions, in order; written by the registry's thread
  Registry registry_{[this](const std::string& m, int64_t v, const config::ModelConfig&) { return MakeServable(m, v); },
                     maker_.metrics(),
                     base::Clock::Real(),
                     {store_.path(), nullptr, nullptr, {}, nullptr}};

 private:
  template <typename Start>
  static Answer Ask(Start start) {
    auto promise = std::make_shared<std::promise<absl::Status>>();
    Answer answer = promise->get_future();
    // A status of its own: Debian's absl counts references without ThreadSanitizer's knowledge.
    start([promise](const absl::Status& status) {
      promise->set_value(absl::Status(status.code(), base::MessageOf(status)));
    });
    return answer;
  }
};

}  // namespace torchferry::registry
