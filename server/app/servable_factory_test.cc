#include "server/app/servable_factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Batches of up to 8 rows, 4 preferred.
config::ModelConfig Batched() {
  config::ModelConfig config;
  config.max_batch_size = 8;
  config.dynamic_batching.emplace();
  config.dynamic_batching->preferred_batch_sizes = {4};
  config.dynamic_batching->max_queue_delay = microseconds(300);
  return config;
}

model::TuningInfo Tuned(int64_t batch_rows, int threads) {
  model::TuningInfo tuning;
  tuning.batch_rows = batch_rows;
  tuning.intra_op_threads = threads;
  return tuning;
}

TEST(BatchingOfTest, WithoutDynamicBatchingRequestsRunAlone) {
  config::ModelConfig config;
  config.max_batch_size = 8;
  const batching::BatchOptions options = BatchingOf(config, std::nullopt, {});
  EXPECT_EQ(options.max_rows, 0);
  EXPECT_THAT(options.row_counts, IsEmpty());
}

TEST(BatchingOfTest, TakesRowsAndDelayFromTheConfiguration) {
  const batching::BatchOptions options = BatchingOf(Batched(), std::nullopt, {});
  EXPECT_EQ(options.max_rows, 8);
  EXPECT_THAT(options.preferred_rows, ElementsAre(4));
  EXPECT_EQ(options.max_queue_delay, microseconds(300));
  EXPECT_EQ(options.row_counts.back(), 8);
}

TEST(BatchingOfTest, WhatTuningFoundGoesBeforeTheConfigurationAndTheFlags) {
  ServerFlags flags;
  flags.intra_op_threads = 2;
  const batching::BatchOptions options = BatchingOf(Batched(), Tuned(4, 3), flags);
  EXPECT_EQ(options.max_rows, 4);
  EXPECT_EQ(options.row_counts.back(), 4);
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(BatchingOf(Batched(), std::nullopt, flags).threads, 2);
}

TEST(BatchingOfTest, ALatencyPointHoldsWithAndWithoutBatches) {
  model::TuningInfo tuning = Tuned(4, 1);
  tuning.latency = {.variant = "frozen", .intra_op_threads = 2, .max_rows = 2, .seconds = 0.5, .throughput_seconds = 1};
  config::ModelConfig alone;
  alone.max_batch_size = 8;
  for (const config::ModelConfig& config : {Batched(), alone}) {
    const batching::LatencyPoint latency = BatchingOf(config, tuning, {}).latency;
    EXPECT_EQ(latency.max_rows, 2);
    EXPECT_EQ(latency.threads, 2);
    EXPECT_EQ(latency.expected, std::chrono::milliseconds(500));
    EXPECT_EQ(latency.expected_without, std::chrono::seconds(1));
  }
  EXPECT_EQ(BatchingOf(Batched(), Tuned(4, 1), {}).latency.max_rows, 0) << "there is none";
}

TEST(BatchingOfTest, WhatSharesNoForwardPassesIsNotBatchedWhateverTuningFound) {
  model::ModelInfo info;
  info.tuning = Tuned(4, 2);
  EXPECT_EQ(BatchingOf(Batched(), info, {}).max_rows, 4);
  info.shares_forward_passes = false;
  const batching::BatchOptions options = BatchingOf(Batched(), info, {});
  EXPECT_EQ(options.max_rows, 0);
  EXPECT_THAT(options.row_counts, IsEmpty());
  EXPECT_EQ(options.threads, 2);
}

TEST(BatchingOfTest, WhatABatchTakesIsKnownFromTuningOrFromTheWarmUp) {
  model::ModelInfo info;
  EXPECT_EQ(BatchingOf(Batched(), info, {}).expected_batch, base::Duration::zero());
  info.row_seconds = 0.25;
  EXPECT_EQ(BatchingOf(Batched(), info, {}).expected_batch, std::chrono::milliseconds(250));
  info.tuning = Tuned(4, 1);
  EXPECT_EQ(BatchingOf(Batched(), info, {}).expected_batch, std::chrono::milliseconds(250));
  info.tuning->latency.emplace();
  info.tuning->latency->throughput_seconds = 0.125;
  EXPECT_EQ(BatchingOf(Batched(), info, {}).expected_batch, std::chrono::milliseconds(125));
}

TEST(BatchingOfTest, TheSmallerQueueHolds) {
  ServerFlags flags;
  flags.max_queue_size = 100;
  config::ModelConfig config = Batched();
  EXPECT_EQ(BatchingOf(config, std::nullopt, flags).max_queue_size, 100) << "0 is the server's limit";
  config.dynamic_batching->max_queue_size = 10;
  EXPECT_EQ(BatchingOf(config, std::nullopt, flags).max_queue_size, 10);
  config.dynamic_batching->max_queue_size = 1000;
  EXPECT_EQ(BatchingOf(config, std::nullopt, flags).max_queue_size, 100);
}

}  // namespace
}  // namespace torchferry::app
