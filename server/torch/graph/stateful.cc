#include "server/torch/graph/stateful.h"

#include <algorithm>
#include <vector>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/memory_flow.h"
#include "server/torch/graph/operator_memory.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr std::string_view kWayOut = "set torchferry { stateful: false } in config.pbtxt";

std::string MethodOf(const Node* node) {
  auto call = node->callstack();
  if (!call.has_value()) return "forward";
  while ((*call)->callee().has_value()) call = (*call)->callee();
  return (*call)->function_name();
}

// What a MemoryFlow tells of state.
class StateReader {
 public:
  // `is_certain`: `flow` has what is certain alone.
  StateReader(const MemoryFlow& flow, bool is_certain) : flow_(flow), is_certain_(is_certain) {}

  // Null when no constant is written.
  const Node* FindWriteToConstant() const {
    if (!is_certain_ && !flow_.IsComplete() && flow_.HasConstants() && !flow_.writes().empty()) {
      return flow_.writes().front().node;
    }
    const auto found = std::ranges::find_if(flow_.writes(), [&](const MemoryFlow::Write& write) {
      return std::ranges::any_of(write.places, [&](int place) { return KindOf(place) == MemoryFlow::Kind::kConstant; });
    });
    return found == flow_.writes().end() ? nullptr : found->node;
  }

  std::optional<ModuleState> Read() {
    for (const MemoryFlow::Write& write : flow_.writes()) {
      if (write.kind == MemoryFlow::WriteKind::kAssignment) Assigned(write);
    }
    for (const MemoryFlow::Write& write : flow_.writes()) {
      if (write.kind == MemoryFlow::WriteKind::kStatistics) Written(write);
    }
    if (!is_certain_) AddUnknown();
    for (const MemoryFlow::Write& write : flow_.writes()) {
      if (write.kind == MemoryFlow::WriteKind::kInPlace) Written(write);
    }
    return state_;
  }

 private:
  MemoryFlow::Kind KindOf(int place) const { return flow_.At(place).kind; }
  const char* Verb(const char* certain, const char* maybe) const { return is_certain_ ? certain : maybe; }

  // An object that forward makes for itself, a context manager say, is no state.
  void Assigned(const MemoryFlow::Write& write) {
    for (const int place : write.places) {
      if (KindOf(place) != MemoryFlow::Kind::kModule && KindOf(place) != MemoryFlow::Kind::kAttribute) continue;
      std::string path = flow_.PathOf(place);
      if (!path.empty()) path += ".";
      Found(fmt::format("{} {} self.{}{}", MethodOf(write.node), Verb("assigns", "may assign"), path,
                        write.node->s(c10::attr::name)));
    }
  }

  void Written(const MemoryFlow::Write& write) {
    for (const int place : write.places) {
      if (KindOf(place) != MemoryFlow::Kind::kAttribute) continue;
      std::string path = flow_.PathOf(place);
      Found(write.kind == MemoryFlow::WriteKind::kStatistics
                ? fmt::format("{} {} the running statistics of {}", MethodOf(write.node), Verb("updates", "may update"),
                              write.node->kind().toUnqualString())
                : fmt::format("{} {} to self.{}", MethodOf(write.node), Verb("writes", "may write"), path));
      state_->writes_tensors = true;
      state_->written.insert(std::move(path));
    }
  }

  void AddUnknown() {
    for (const Node* node : flow_.unknown()) {
      if (ReplacesMemory(node->kind().toQualString())) {
        Found(fmt::format("{} calls {}, which may put an attribute's memory in a tensor that is written",
                          MethodOf(node), node->kind().toUnqualString()));
      } else {
        const bool has_name = node->hasAttribute(c10::attr::name);
        const std::string callee = has_name ? node->s(c10::attr::name) : node->kind().toUnqualString();
        Found(fmt::format("{} calls {}, which cannot be looked into", MethodOf(node), callee));
      }
      state_->writes_tensors = state_->writes_any_tensor = true;
    }
    if (flow_.IsComplete() || flow_.writes().empty()) return;
    Found("forward writes to what cannot be followed through its code");
    state_->writes_tensors = state_->writes_any_tensor = true;
  }

  void Found(std::string reason) {
    if (!state_.has_value()) state_.emplace();
    if (state_->reason.empty()) state_->reason = std::move(reason);
  }

  const MemoryFlow& flow_;
  const bool is_certain_;
  std::optional<ModuleState> state_;
};

absl::StatusOr<std::optional<ModuleState>> Find(Graph& graph, const std::string& file, std::optional<bool> stateful) {
  const MemoryFlow all(graph);
  StateReader reader(all, /*is_certain=*/false);
  std::optional<ModuleState> state = reader.Read();
  const Node* constant = reader.FindWriteToConstant();
  if (!state.has_value() && constant == nullptr) return std::nullopt;

  const MemoryFlow certain(graph, all);
  StateReader certain_reader(certain, /*is_certain=*/true);
  const Node* certain_constant = certain_reader.FindWriteToConstant();
  if (certain_constant != nullptr || (constant != nullptr && stateful != false)) {
    const bool is_certain = certain_constant != nullptr;
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}: {} {} to a constant of the graph, a state that all clients would share. Make it a "
                            "buffer of the module{}",
                            file, MethodOf(is_certain ? certain_constant : constant),
                            is_certain ? "writes" : "may write",
                            is_certain ? "" : fmt::format(", or, if it never writes there, {}", kWayOut));
  }
  if (!state.has_value()) return state;
  const std::optional<ModuleState> certain_state = certain_reader.Read();
  if (certain_state.has_value()) {
    state->is_certain = true;
    state->reason = certain_state->reason;
  }
  return state;
}

// Of a module that nothing is known of.
ModuleState AnyState(std::string reason) {
  ModuleState state;
  state.reason = std::move(reason);
  state.writes_tensors = state.writes_any_tensor = true;
  return state;
}

absl::StatusOr<std::optional<ModuleState>> FindByCode(const torch::jit::Module& module, const std::string& file,
                                                      std::optional<bool> stateful) {
  try {
    return Find(*ReachableGraph(module), file, stateful);
  } catch (const std::exception& error) {
    return AnyState(fmt::format("forward cannot be analysed: {}", CleanMessage(error.what())));
  }
}

}  // namespace

absl::StatusOr<std::optional<ModuleState>> FindState(const torch::jit::Module& module, const std::string& file,
                                                     std::optional<bool> stateful) {
  FERRY_ASSIGN_OR_RETURN(std::optional<ModuleState> state, FindByCode(module, file, stateful));
  if (!stateful.has_value()) return state;
  if (*stateful) return state.has_value() ? state : AnyState("torchferry.stateful is true");
  if (!state.has_value() || !state->is_certain) return std::nullopt;
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "{}: torchferry.stateful is false, but {}; remove that line, or the write from the model",
                          file, state->reason);
}

}  // namespace torchferry::libtorch
