// LibTorch has one default generator of random numbers for all models. A model that seeds it has one of its own, as if
// it ran alone: its seed changes no other model's numbers, and none of these changes its.
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

// What a module does with the default generators.
enum class RandomUse : uint8_t {
  kNone,
  kDraws,  // takes numbers from them
  kSeeds,  // sets them: torch.manual_seed
};

// By its graphs. Dropout and its like do nothing in a module that is in eval mode, and so do not count unless the graph
// says that they train.
RandomUse RandomUseOf(const torch::jit::Module& module);

// Where the generators of one model that seeds were left; what it begins with is what the process has. Not thread-safe:
// RandomTurn sees to that.
class RandomState {
 public:
  // Makes the default generators those of the model, and back.
  void Enter();
  void Leave();

 private:
  using States = std::vector<std::pair<at::Generator, at::Tensor>>;
  static States Current();

  States before_;  // of the process, between Enter and Leave
  States own_;
};

// A run of a model that uses the generators. A model that seeds runs while no other model draws or seeds; those that
// only draw run beside each other. Who waits is let in in turn. A model of kNone does not wait and costs nothing.
//
// A run that does not end keeps its turn. The others wait for `patience`, once in all, and go on without a turn until
// it ends: their numbers then follow each other's seeds.
class RandomTurn {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{10};

  // `state`: of the model, for kSeeds; outlives the turn.
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
