#include "server/app/torch_options.h"

#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

TEST(TuningOfTest, FindsThreadsOnlyWhereNoFlagSaysHowMany) {
  ServerFlags flags;
  EXPECT_TRUE(TuningOf(flags, {}, {}, nullptr).tunes_threads);
  flags.workers = 2;
  EXPECT_FALSE(TuningOf(flags, {}, {}, nullptr).tunes_threads);
  flags.workers = 0;
  flags.intra_op_threads = 2;
  EXPECT_FALSE(TuningOf(flags, {}, {}, nullptr).tunes_threads);
}

TEST(TuningOfTest, SaysWhatTheFlagsAndTheHostSay) {
  ServerFlags flags;
  flags.optimize = false;
  flags.deterministic = true;
  flags.optimize_budget_seconds = 3;
  host::HostInfo host;
  host.processor = "a processor";
  host.memory_limit_bytes = 123;
  const libtorch::TuningOptions tuning = TuningOf(flags, host, {.processors = 6}, [] { return true; });
  EXPECT_FALSE(tuning.is_on);
  EXPECT_TRUE(tuning.is_deterministic);
  EXPECT_EQ(tuning.budget_seconds, 3);
  EXPECT_EQ(tuning.processors, 6);
  EXPECT_EQ(tuning.processor, "a processor");
  EXPECT_EQ(tuning.memory_bytes, 123U);
  EXPECT_TRUE(tuning.is_stopping());
}

TEST(TorchLoadOptionsTest, AFaultWhileLoadingIsReported) {
  metrics::Metrics metrics;
  const auto health = std::make_shared<serving::DeviceHealth>(metrics, base::Clock::Real());
  const tensor::DeviceId device{"cuda", 0};
  health->Add(device);
  const libtorch::LoadOptions options = TorchLoadOptions({}, {}, {}, health, metrics, nullptr);
  options.on_device_fault(device, model::DeviceFaultStatus(model::DeviceFault::kTransient, "an illegal access"));
  EXPECT_EQ(health->Get(device), serving::DeviceState::kProbation);
}

TEST(TorchLoadOptionsTest, WhatGoldenRowsSayIsCounted) {
  metrics::Metrics metrics;
  const auto health = std::make_shared<serving::DeviceHealth>(metrics, base::Clock::Real());
  const libtorch::LoadOptions options = TorchLoadOptions({}, {}, {}, health, metrics, nullptr);
  model::ParityInfo refused;
  refused.device = "cuda:0";
  refused.precision = "BF16";
  refused.state = model::ParityState::kFailed;
  options.on_parity("m", refused);
  EXPECT_NE(metrics.Serialize().find("torchferry_parity_checks_total{device=\"cuda:0\",model=\"m\",precision=\"BF16\","
                                     "result=\"failed\"} 1"),
            std::string::npos);
}

}  // namespace
}  // namespace torchferry::app
