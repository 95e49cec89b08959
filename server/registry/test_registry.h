// A registry whose models do nothing, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
  const tensor::Signature signature_;
  const tensor::DeviceId device_;
};

inline ModelFolder Folder(std::string name, std::vector<int64_t> versions) {
  return {std::move(name), config::ModelConfig{}, std::move(versions), {}, {}};
}

class RegistryTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<serving::Servable>> MakeServable(const std::string& model, int64_t version) {
    if (on_load) on_load();
    loaded.push_back(version);
    if (model == "bad" || version == failing) return absl::DataLossError("bad/1/m.pt: is damaged");
    serving::Servable::Options options;
    options.name = model;
    options.version = version;
    return std::make_unique<serving::Servable>(options, model::LoadedModel{std::make_shared<NothingModel>(), {}},
                                               scheduler_, metrics_.ForModel(model, version), base::Clock::Real(),
                                               health_);
  }

  void WaitUntilLoaded() {
    while (NotReadyReason(registry_.List(), ReadinessPolicy::kAll).find("still loading") != std::string::npos)
      std::this_thread::yield();
  }

  // The test's own: several run at the same time.
  static std::string TempStore() {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    return (std::filesystem::path(::testing::TempDir()) / ("torchferry_registry_" + test)).string();
  }

  metrics::Metrics metrics_;
  std::shared_ptr<serving::DeviceHealth> health_ =
      std::make_shared<serving::DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  std::function<void()> on_load;
  int64_t failing = 0;          // a version that cannot be loaded; set while nothing is
  std::vector<int64_t> loaded;  // versions, in order; the registry's thread writes it
  Registry registry_{[this](const std::string& m, int64_t v, const config::ModelConfig&) { return MakeServable(m, v); },
                     metrics_,
                     base::Clock::Real(),
                     {TempStore(), nullptr}};
};

}  // namespace torchferry::registry
