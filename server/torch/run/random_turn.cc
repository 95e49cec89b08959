#include "server/torch/run/random_turn.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/csrc/jit/ir/constants.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "server/base/logging.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/graph_walk.h"

namespace torchferry::libtorch {
namespace {

// Held alone by a run that seeds, together by those that draw. Who comes waits at the gate behind who waits for it:
// otherwise a stream of runs that draw would keep one that seeds out for ever.
std::timed_mutex g_gate;
std::shared_timed_mutex g_generators;
// A turn has not come in time: until the run that has it ends, nobody waits.
std::atomic<bool> g_is_held_up{false};

// The value of an argument of `node` that the graph gives as a constant.
std::optional<c10::IValue> ConstantArgument(const torch::jit::Node& node, const c10::FunctionSchema& schema,
                                            const std::string& name) {
  const std::optional<int> index = schema.argumentIndexWithName(name);
  if (!index.has_value() || static_cast<size_t>(*index) >= node.inputs().size()) return std::nullopt;
  return torch::jit::toIValue(node.inputs()[static_cast<size_t>(*index)]);
}

bool HasArgument(const c10::FunctionSchema& schema, const std::string& name) {
  return schema.argumentIndexWithName(name).has_value();
}

// Whether an operator that has numbers of its own in training has them here.
bool Trains(const torch::jit::Node& node, const c10::FunctionSchema& schema) {
  for (const char* name : {"train", "training"}) {
    const auto value = ConstantArgument(node, schema, name);
    if (value.has_value() && value->isBool() && value->toBool()) return true;
  }
  const auto probability = ConstantArgument(node, schema, "dropout_p");
  return probability.has_value() && probability->isDouble() && probability->toDouble() > 0;
}

bool Draws(const torch::jit::Node& node) {
  const c10::FunctionSchema* schema = node.maybeSchema();
  if (schema == nullptr) return false;
  const auto op = c10::Dispatcher::singleton().findSchema({schema->name(), schema->overload_name()});
  if (!op.has_value() || !op->hasTag(at::Tag::nondeterministic_seeded)) return false;
  const bool may_not =
      HasArgument(*schema, "train") || HasArgument(*schema, "training") || HasArgument(*schema, "dropout_p");
  return !may_not || Trains(node, *schema);
}

}  // namespace

RandomUse RandomUseOf(const torch::jit::Module& module) {
  RandomUse use = RandomUse::kNone;
  WalkGraphs(module, [&use](const torch::jit::Node& node, const std::string&) {
    if (std::string_view(node.kind().toQualString()) == "aten::manual_seed") {
      use = RandomUse::kSeeds;
      return absl::CancelledError("found");
    }
    if (Draws(node)) use = RandomUse::kDraws;
    return absl::OkStatus();
  }).IgnoreError();
  return use;
}

// Those that torch.manual_seed sets: the CPU's and each GPU's.
RandomState::States RandomState::Current() {
  States states;
  const auto add = [&states](at::Generator generator) {
    const std::scoped_lock lock(generator.mutex());
    states.emplace_back(generator, generator.get_state());
  };
  add(at::detail::getDefaultCPUGenerator());
  if (!at::globalContext().hasCUDA()) return states;
  for (c10::DeviceIndex i = 0; i < static_cast<c10::DeviceIndex>(at::detail::getCUDAHooks().getNumGPUs()); ++i) {
    add(at::globalContext().defaultGenerator(at::Device(at::kCUDA, i)));
  }
  return states;
}

void RandomState::Enter() {
  before_ = Current();
  for (auto& [generator, state] : own_) {
    const std::scoped_lock lock(generator.mutex());
    generator.set_state(state);
  }
}

void RandomState::Leave() {
  own_ = Current();
  for (auto& [generator, state] : before_) {
    const std::scoped_lock lock(generator.mutex());
    generator.set_state(state);
  }
}

RandomTurn::RandomTurn(RandomUse use, RandomState* state, Clock::duration patience)
    : use_(use), state_(state), patience_(patience) {
  if (use_ == RandomUse::kNone) return;
  if (!Wait(g_is_held_up ? Clock::duration::zero() : patience)) {
    if (!g_is_held_up.exchange(true)) {
      base::LogWarning("a model that draws or seeds random numbers does not end; the others no longer wait for it",
                       {{"seconds", std::chrono::duration<double>(patience).count()}});
    }
    return;
  }
  if (use_ == RandomUse::kSeeds) {
    try {
      state_->Enter();
    } catch (...) {  // a lost GPU's generator, say
      g_generators.unlock();
      throw;
    }
  }
  has_turn_ = true;
  began_ = Clock::now();
}

bool RandomTurn::Wait(Clock::duration patience) {
  const std::unique_lock gate(g_gate, patience);
  if (!gate.owns_lock()) return false;
  return use_ == RandomUse::kDraws ? g_generators.try_lock_shared_for(patience) : g_generators.try_lock_for(patience);
}

RandomTurn::~RandomTurn() {
  if (!has_turn_) return;
  if (use_ == RandomUse::kDraws) {
    g_generators.unlock_shared();
  } else {
    try {
      state_->Leave();
    } catch (const std::exception& error) {
      base::LogWarning("random numbers of other models may follow this one's seed",
                       {{"reason", CleanMessage(error.what())}});
    }
    g_generators.unlock();
  }
  if (Clock::now() - began_ > patience_) g_is_held_up = false;
}

}  // namespace torchferry::libtorch
