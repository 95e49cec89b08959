// What becomes of mixed loads on hosts of many sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "server/batching/simulated_host.h"

namespace torchferry::batching {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

SimulatedLoad Closed(base::Duration batch, int clients, int64_t max_rows = 0) {
  return {.options = UpTo(max_rows), .batch = batch, .clients = clients};
}

SimulatedLoad Open(base::Duration batch, double rate, int64_t max_rows = 0) {
  return {.options = UpTo(max_rows), .batch = batch, .rate = rate};
}

double PerSecond(const SimulatedHost::Result& result, base::Duration time) {
  return static_cast<double>(result.answered) / base::ToSeconds(time);
}

base::Duration MeanWait(const SimulatedHost::Result& result) { return result.total_wait / result.answered; }

TEST(DispatcherSimulationTest, ShortRequestsBesideALongModelDoNotWaitForIt) {
  SimulatedHost host(2, {Closed(milliseconds(100), 8, 4), Open(milliseconds(1), 100)}, 1);
  const auto& results = host.Run(seconds(60));
  EXPECT_LT(MeanWait(results[1]), milliseconds(2));
  // The first waits for a worker: nothing is known of it then.
  EXPECT_LE(results[1].longest_wait, milliseconds(110));
  EXPECT_GT(PerSecond(results[0], seconds(60)), 0.85 * 80);
}

TEST(DispatcherSimulationTest, ShortRequestsBesideSeveralLongModels) {
  SimulatedHost host(4, {Closed(milliseconds(100), 8), Closed(milliseconds(400), 8), Open(milliseconds(2), 50)}, 2);
  const auto& results = host.Run(seconds(60));
  EXPECT_LT(MeanWait(results[2]), milliseconds(5));
  // Both get half of the processors.
  EXPECT_NEAR(base::ToSeconds(results[0].thread_time) / base::ToSeconds(results[1].thread_time), 1, 0.1);
}

TEST(DispatcherSimulationTest, AClosedLoopOfShortRequestsLeavesTheLongModelItsShare) {
  SimulatedHost host(2, {Closed(milliseconds(50), 8), Closed(milliseconds(1), 8)}, 3);
  const auto& results = host.Run(seconds(60));
  for (const auto& result : results) EXPECT_GT(base::ToSeconds(result.thread_time), 0.4 * 120);
}

// On 64 processors one request gets what pays, and many get one each.
TEST(DispatcherSimulationTest, FromOneRequestToManyItSlidesFromLatencyToThroughput) {
  SimulatedLoad load = Closed(milliseconds(160), 1);
  load.options.latency = {
      .max_rows = 1, .threads = 16, .expected = milliseconds(10), .expected_without = milliseconds(160)};
  double before = 0;
  for (const int clients : {1, 2, 4, 16, 64, 256}) {
    load.clients = clients;
    SimulatedHost host(64, {load}, 4);
    const SimulatedHost::Result result = host.Run(seconds(20))[0];
    const double rate = PerSecond(result, seconds(20));
    if (clients == 1) {
      EXPECT_EQ(result.at_latency_point, result.batches);
    } else if (clients >= 64) {
      EXPECT_LT(result.at_latency_point, result.batches / 5);
      EXPECT_GT(rate, 0.95 * 64 / 0.16);
    }
    EXPECT_GE(rate, 0.95 * before) << clients;
    before = rate;
  }
}

// Two requests at all times on two processors: side by side, not one after the other.
TEST(DispatcherSimulationTest, TwoRequestsAtAllTimesRunSideBySide) {
  SimulatedLoad load = Closed(milliseconds(40), 2);
  load.spread = 0.1;
  load.options.latency = {
      .max_rows = 1, .threads = 2, .expected = milliseconds(24), .expected_without = milliseconds(40)};
  SimulatedHost host(2, {load}, 5);
  const SimulatedHost::Result result = host.Run(seconds(20))[0];
  EXPECT_LT(result.at_latency_point, result.batches / 10);
}

TEST(DispatcherSimulationTest, AnUnbatchedQuickModelUsesManyProcessors) {
  SimulatedHost host(16, {Closed(microseconds(60), 32)}, 6);
  // It is on the CPU, and nobody runs it where it comes from.
  EXPECT_GT(PerSecond(host.Run(seconds(1))[0], seconds(1)), 0.9 * 16 / 60e-6);
}

TEST(DispatcherSimulationTest, AQuickAcceleratorHasTwoInFlight) {
  SimulatedLoad load = Closed(microseconds(150), 8, 2);
  load.is_on_cpu = false;
  SimulatedHost host(2, {load}, 7);
  EXPECT_GT(PerSecond(host.Run(seconds(1))[0], seconds(1)), 0.9 * 4 / 150e-6);
}

// Loads at random, told by a seed.
std::vector<SimulatedLoad> RandomLoads(std::mt19937& random, int workers) {
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const auto one_of = [&](int count) { return std::uniform_int_distribution<int>(0, count - 1)(random); };
  std::vector<SimulatedLoad> loads;
  for (int i = 2 + one_of(5); i > 0; --i) {
    SimulatedLoad load;
    load.batch = microseconds(static_cast<int64_t>(std::pow(10, uniform(2.3, 5.3))));  // 0.2 to 200 ms
    load.options = UpTo(one_of(2) == 0 ? 0 : 8);
    load.options.threads = std::min(workers, 1 << one_of(3));
    load.spread = uniform(0, 0.9);
    load.is_on_cpu = one_of(4) > 0;
    if (one_of(3) == 0) load.options.max_queue_delay = milliseconds(one_of(5));
    if (one_of(2) == 0) load.options.latency = {.max_rows = 1, .threads = workers, .expected = load.batch / workers};
    // Open loops ask for a tenth of the processors at most.
    if (one_of(2) == 0) {
      load.rate = uniform(0.01, 0.1) * workers / base::ToSeconds(load.batch);
    } else {
      load.clients = 1 + one_of(16);
    }
    loads.push_back(load);
  }
  return loads;
}

class RandomMixTest : public testing::TestWithParam<unsigned> {
 protected:
  void Run(std::function<base::Duration()> long_time);

  std::mt19937 random_{GetParam()};
};

void RandomMixTest::Run(std::function<base::Duration()> long_time) {
  const int workers = 1 << std::uniform_int_distribution<int>(0, 5)(random_);
  const std::vector<SimulatedLoad> loads = RandomLoads(random_, workers);
  SimulatedHost host(workers, loads, GetParam(), std::move(long_time));
  const auto& results = host.Run(seconds(5));
  base::Duration longest{0};
  for (const SimulatedLoad& load : loads) longest = std::max(longest, 2 * load.batch);
  for (size_t i = 0; i < loads.size(); ++i) {
    // A request waits for the tasks of its own queue before it, and between two of its batches for the turns of the
    // others, each with the longest batch.
    const auto turns = static_cast<int>(loads.size()) * (loads[i].clients + 8);
    EXPECT_TRUE(results[i].answered > 0 || loads[i].clients == 0) << "load " << i;
    EXPECT_LT(results[i].longest_wait, turns * longest + milliseconds(20)) << "load " << i;
  }
  EXPECT_LE(host.longest_neglect(), kWatch + milliseconds(5));
}

TEST_P(RandomMixTest, NobodyStarvesAndNoProcessorIsLeftIdle) { Run(nullptr); }

// The times say at random that short batches gain, or that they do not.
TEST_P(RandomMixTest, NobodyStarvesWhileLongBatchesLeaveThreadsFree) {
  std::mt19937 random(GetParam());
  base::Duration total{0};
  Run([&] {
    total += milliseconds(std::uniform_int_distribution<int>(0, 100)(random));
    return total;
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomMixTest, testing::Range(1u, 41u));

}  // namespace
}  // namespace torchferry::batching
