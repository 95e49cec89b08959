#include "server/torch/graph/stateful.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <vector>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::AliasDb;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// Whether a value of this type can be written where it lies. What is not known here can.
bool IsMutable(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::ComplexType:
    case c10::TypeKind::NumberType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::StringType:
    case c10::TypeKind::NoneType:
    case c10::TypeKind::DeviceObjType:
    case c10::TypeKind::EnumType:
    case c10::TypeKind::FunctionType:
      return false;
    case c10::TypeKind::OptionalType:
    case c10::TypeKind::TupleType: {
      const auto parts = type->containedTypes();
      return std::any_of(parts.begin(), parts.end(), [](const c10::TypePtr& part) { return IsMutable(part); });
    }
    default:
      return true;
  }
}

// "encoder.cache"; nothing when it is not reached from `self` by attributes alone.
std::optional<std::string> AttributePath(const Value* object, const std::string& name, const Graph& graph) {
  std::string path = name;
  while (object != graph.inputs()[0]) {
    const Node* node = object->node();
    if (node->kind() != c10::prim::GetAttr) return std::nullopt;
    path.insert(0, node->s(c10::attr::name) + ".");
    object = node->input();
  }
  return path;
}

std::string MethodOf(const Node* node) {
  auto call = node->callstack();
  if (!call.has_value()) return "forward";
  while ((*call)->callee().has_value()) call = (*call)->callee();
  return (*call)->function_name();
}

// Operators that write running statistics when this argument is true, without saying so in their
// schema.
std::optional<std::string> StatisticsFlag(const Node* node) {
  const std::string op = node->kind().toQualString();
  if (op == "aten::instance_norm") return "use_input_stats";
  if (op == "aten::batch_norm" || op == "aten::native_batch_norm" || op == "aten::cudnn_batch_norm" ||
      op == "aten::miopen_batch_norm" || op == "aten::_batch_norm_impl_index") {
    return "training";
  }
  return std::nullopt;
}

bool IsOpaqueCall(const Node* node) {
  return node->kind() == c10::prim::CallMethod || node->kind() == c10::prim::CallFunction ||
         node->kind() == c10::prim::fork || node->kind() == c10::prim::awaitable;
}

class StateSearch {
 public:
  explicit StateSearch(std::shared_ptr<Graph> graph) : graph_(std::move(graph)) {}

  absl::StatusOr<std::optional<ModuleState>> Run(const std::string& file) {
    ForEachNode(graph_->block(), [&](Node* node) { Sort(node); });
    const bool is_pure = targets_.empty() && assignments_.empty() && statistics_.empty() && opaque_calls_.empty();
    if (is_pure) return std::nullopt;  // as most are: the aliases of a large graph take a while
    aliases_.emplace(graph_, /*isFrozen=*/true);
    for (Node* node : constants_) {
      if (!aliases_->hasWriters(node->output())) continue;
      return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                              "{}: {} writes to a constant of the graph, a state that all clients would "
                              "share. Make it a buffer of the module",
                              file, MethodOf(node));
    }
    for (Node* node : assignments_) Assigned(node);
    for (Node* node : statistics_) StatisticsWritten(node);
    for (Node* node : opaque_calls_) CannotBeFollowed(node);
    for (Node* node : attributes_) {
      if (IsWritten(node)) Written(node);
    }
    if (state_.has_value() && state_->writes_tensors) AddWhatMayBeStored();
    return state_;
  }

 private:
  void Sort(Node* node) {
    if (node->kind() == c10::prim::SetAttr) {
      assignments_.push_back(node);
    } else if (node->kind() == c10::prim::GetAttr) {
      const bool is_local = node->input()->node()->kind() == c10::prim::CreateObject;
      if (!is_local && IsMutable(node->output()->type()) && !IsModule(node->output())) attributes_.push_back(node);
    } else if (node->kind() == c10::prim::Constant) {
      if (IsMutable(node->output()->type())) constants_.push_back(node);
    } else if (StatisticsFlag(node).has_value()) {
      statistics_.push_back(node);
    } else if (IsOpaqueCall(node)) {
      opaque_calls_.push_back(node);
    }
    const torch::jit::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) return;
    for (size_t i = 0; i < std::min(node->inputs().size(), schema->arguments().size()); ++i) {
      const c10::AliasInfo* alias = schema->arguments()[i].alias_info();
      if (alias != nullptr && alias->isWrite()) targets_.push_back(node->input(i));
    }
  }

  // An object that forward makes for itself, a context manager say, is no state.
  void Assigned(Node* node) {
    if (node->input(0)->node()->kind() == c10::prim::CreateObject) return;
    const std::string& name = node->s(c10::attr::name);
    Found(
        fmt::format("{} assigns self.{}", MethodOf(node), AttributePath(node->input(0), name, *graph_).value_or(name)));
  }

  void StatisticsWritten(Node* node) {
    const auto flag = torch::jit::constant_as<bool>(node->namedInput(*StatisticsFlag(node)));
    const Value* mean = node->namedInput("running_mean");
    if ((flag.has_value() && !*flag) || mean->type()->isSubtypeOf(*c10::NoneType::get())) return;
    Found(fmt::format("{} updates the running statistics of {}", MethodOf(node), node->kind().toUnqualString()));
    for (const char* name : {"running_mean", "running_var"}) Write(node->namedInput(name)->node());
  }

  void CannotBeFollowed(Node* node) {
    const bool has_name = node->hasAttribute(c10::attr::name);
    const std::string callee = has_name ? node->s(c10::attr::name) : node->kind().toUnqualString();
    Found(fmt::format("{} calls {}, which cannot be looked into", MethodOf(node), callee));
    state_->writes_tensors = state_->writes_any_tensor = true;
  }

  // Of a list or an object its elements too, which the aliases know as "something that was taken
  // out of a container".
  bool IsWritten(Node* attribute) const {
    Value* const value = attribute->output();
    if (aliases_->hasWriters(value)) return true;
    return !IsTensor(value) && std::any_of(targets_.begin(), targets_.end(),
                                           [&](Value* target) { return aliases_->mayContainAlias(target, value); });
  }

  void Written(Node* attribute) {
    const auto path = AttributePath(attribute->input(), attribute->s(c10::attr::name), *graph_);
    Found(fmt::format("{} writes to self.{}", MethodOf(attribute), path.value_or(attribute->s(c10::attr::name))));
    Write(attribute);
  }

  void Write(const Node* attribute) {
    state_->writes_tensors = true;
    std::optional<std::string> path;
    if (attribute->kind() == c10::prim::GetAttr) {
      path = AttributePath(attribute->input(), attribute->s(c10::attr::name), *graph_);
    }
    if (path.has_value()) {
      state_->written.insert(*path);
    } else {
      state_->writes_any_tensor = true;
    }
  }

  // What is assigned to an attribute in one call may be written there in the next, and it may be
  // another attribute's.
  void AddWhatMayBeStored() {
    for (Node* attribute : attributes_) {
      const bool may_be_stored = std::any_of(assignments_.begin(), assignments_.end(), [&](Node* assignment) {
        return aliases_->mayContainAlias(assignment->input(1), attribute->output());
      });
      if (may_be_stored) Write(attribute);
    }
  }

  void Found(std::string reason) {
    if (!state_.has_value()) state_.emplace();
    if (state_->reason.empty()) state_->reason = std::move(reason);
  }

  const std::shared_ptr<Graph> graph_;
  // As if frozen: each attribute of a module is memory of its own, so that a write to something
  // else is none to it.
  std::optional<AliasDb> aliases_;
  std::vector<Node*> assignments_;
  std::vector<Node*> attributes_;  // GetAttr of what can be written where it lies
  std::vector<Node*> constants_;   // likewise
  std::vector<Node*> statistics_;
  std::vector<Node*> opaque_calls_;
  std::vector<Value*> targets_;  // what some operator writes to
  std::optional<ModuleState> state_;
};

}  // namespace

absl::StatusOr<std::optional<ModuleState>> FindState(const torch::jit::Module& module, const std::string& file) {
  try {
    return StateSearch(ReachableGraph(module)).Run(file);
  } catch (const std::exception& error) {
    ModuleState unknown;
    unknown.reason = fmt::format("forward cannot be analysed: {}", CleanMessage(error.what()));
    unknown.writes_tensors = unknown.writes_any_tensor = true;
    return unknown;
  }
}

}  // namespace torchferry::libtorch
