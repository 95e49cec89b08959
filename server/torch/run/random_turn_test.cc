#include "server/torch/run/random_turn.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace torchferry::libtorch {
namespace {

constexpr std::chrono::milliseconds kShort(20);

double Draw() { return at::rand({1}).item<double>(); }

TEST(RandomTurnTest, ASeedIsTheModelsOwn) {
  RandomState mine;
  at::manual_seed(1);
  const double first = Draw();
  const double second = Draw();
  at::manual_seed(1);
  EXPECT_EQ(Draw(), first);
  {
    const RandomTurn turn(RandomUse::kSeeds, &mine);
    at::manual_seed(7);
  }
  EXPECT_EQ(Draw(), second);
}

// The run that does not end is on another thread: a thread that waits for its own turn would be a deadlock by itself.
TEST(RandomTurnTest, TheOthersDoNotWaitForARunThatDoesNotEnd) {
  RandomState stuck;
  RandomState other;
  auto turn = std::make_unique<RandomTurn>(RandomUse::kSeeds, &stuck, kShort);
  std::thread([&] {
    const RandomTurn draws(RandomUse::kDraws, nullptr, kShort);
    const RandomTurn seeds(RandomUse::kSeeds, &other, RandomTurn::kPatience);  // it has been waited for
  }).join();
  turn.reset();
  std::thread([&] { const RandomTurn seeds(RandomUse::kSeeds, &other); }).join();
  // Each has its turn again: what is seeded in one is not seen outside.
  at::manual_seed(1);
  const double expected = Draw();
  at::manual_seed(1);
  {
    const RandomTurn seeds(RandomUse::kSeeds, &other);
    at::manual_seed(7);
  }
  EXPECT_EQ(Draw(), expected);
}

}  // namespace
}  // namespace torchferry::libtorch
