// LibTorch has one default generator of random numbers for all models. A model that seeds it gets a state of its own,
// as if it ran alone. Its seed does not change other models' numbers, and they do not change its numbers.
#pragma once

#include <ATen/core/Generator.h>
#include <torch/script.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace torchferry::libtorch {

// How a module uses the default generators.
enum class RandomUse : uint8_t {
  kNone,
  kDraws,  // takes numbers from them
  kSeeds,  // sets them: torch.manual_seed
};

// Found in the module's graphs. Dropout and similar operators do nothing in eval mode, so they count only where the
// graph says that they train.
RandomUse RandomUseOf(const torch::jit::Module& module);

// The generators' states of one model that seeds. They begin as those of the process. Not thread-safe: RandomTurn lets
// one run use them at a time.
class RandomState {
 public:
  // Switches the default generators to the model's states, and back.
  void Enter();
  void Leave();

 private:
  using States = std::vector<std::pair<at::Generator, at::Tensor>>;
  static States Current();

  States before_;  // of the process, between Enter and Leave
  States own_;
};

// A run of a model that uses the generators. A model that seeds runs while no other model draws or seeds; those that
// only draw run at the same time. A run that waits for the generators makes later runs wait behind it, so that drawing
// runs cannot starve one that seeds. A model of kNone does not wait and costs nothing.
//
// A run that does not end keeps its turn. Runs that wait for it go on without a turn after `patience`, or at most twice
// that behind another waiting run. Until it ends, later runs do not wait. The numbers of these runs then follow each
// other's seeds.
class RandomTurn {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{10};

  // `state` is the model's, for kSeeds, and outlives the turn.
  RandomTurn(RandomUse use, RandomState* state, Clock::duration patience = kPatience);
  ~RandomTurn();
  RandomTurn(const RandomTurn&) = delete;
  RandomTurn& operator=(const RandomTurn&) = delete;

 private:
  // Whether the turn came in time.
  bool Wait(Clock::duration patience);

  const RandomUse use_;
  RandomState* const state_;
  const Clock::duration patience_;
  bool has_turn_ = false;
  Clock::time_point began_;
};

}  // namespace torchferry::libtorch
