// What becomes of requests of two priorities on simulated hosts.
#include <gtest/gtest.h>

#include "server/batching/simulated_host.h"

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned kSeeds = 6;
constexpr int kSeconds = 15;
constexpr base::Duration kTime = seconds(kSeconds);

// Two workers answer some 200 requests of it a second.
SimulatedLoad TwoLevels(double high, int64_t max_waiting) {
  SimulatedLoad load{.options = UpTo(0), .batch = milliseconds(10), .spread = 0.3, .high = high};
  load.options.max_queue_size = max_waiting;
  load.options.priority_levels = 2;
  return load;
}

TEST(PrioritySimulationTest, InOverloadTheLowerLevelGivesWay) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    SimulatedLoad load = TwoLevels(0.4, 50);
    load.rate = 300;
    SimulatedHost host(2, {load}, seed);
    const SimulatedHost::Result& result = host.Run(kTime)[0];
    const auto& high = result.levels[1];
    const auto& low = result.levels[2];
    EXPECT_EQ(high.refused + high.shed, 0) << seed;
    EXPECT_LT(high.longest_wait, milliseconds(200)) << seed;
    EXPECT_GT(low.refused + low.shed, 0) << seed;
    EXPECT_GT(static_cast<double>(low.answered), 0.8 * 80 * kSeconds) << "what the higher leaves, seed " << seed;
  }
}

TEST(PrioritySimulationTest, WhereThereIsRoomTheLowerLevelIsNotStarved) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    SimulatedLoad load = TwoLevels(0.9, 1000);
    load.clients = 32;
    load.deadline = seconds(3);
    SimulatedHost host(2, {load}, seed);
    const SimulatedHost::Result& result = host.Run(kTime)[0];
    const auto& high = result.levels[1];
    const auto& low = result.levels[2];
    EXPECT_EQ(low.expired + low.shed + low.refused, 0) << seed;
    EXPECT_GT(static_cast<double>(low.answered), 0.06 * static_cast<double>(high.answered)) << seed;
    EXPECT_LT(high.longest_wait, seconds(1)) << seed;
  }
}

TEST(PrioritySimulationTest, WithoutOverloadBothLevelsAreAnswered) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    SimulatedLoad load = TwoLevels(0.5, 100);
    load.rate = 150;
    load.deadline = seconds(2);
    SimulatedHost host(2, {load}, seed);
    const SimulatedHost::Result& result = host.Run(kTime)[0];
    for (const auto& level : result.levels) EXPECT_EQ(level.shed + level.refused + level.expired, 0) << seed;
    EXPECT_GT(result.answered, 140 * kSeconds) << seed;
  }
}

// Neither costs the other anything where all are of one level.
TEST(PrioritySimulationTest, OneLevelAloneIsAsWithoutLevels) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    SimulatedLoad with = TwoLevels(1.0, 100);
    with.clients = 8;
    SimulatedLoad without = with;
    without.options.priority_levels = 0;
    SimulatedHost host_with(2, {with}, seed);
    SimulatedHost host_without(2, {without}, seed);
    const double a = static_cast<double>(host_with.Run(kTime)[0].answered);
    const double b = static_cast<double>(host_without.Run(kTime)[0].answered);
    EXPECT_NEAR(a / b, 1, 0.02) << seed;
  }
}

}  // namespace
}  // namespace torchferry::batching
