// Opcodes that name things and those that would call them in Python. Here a call is only written
// down.
#include <array>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/foreign_value.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/pickle_machine.h"

namespace torchferry::checkpoint {

absl::Status PickleMachine::Global() {
  FERRY_ASSIGN_OR_RETURN(const std::string_view module, TakeLine());
  FERRY_ASSIGN_OR_RETURN(const std::string_view name, TakeLine());
  return PushGlobal(module, name);
}

absl::Status PickleMachine::StackGlobal() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef name, Pop());
  FERRY_ASSIGN_OR_RETURN(const PickleRef module, Pop());
  const PickleNode& module_node = tree_[module];
  const PickleNode& name_node = tree_[name];
  if (module_node.kind != PickleKind::kString || name_node.kind != PickleKind::kString) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the name is a {} and a {}, not two strings",
                            Name(module_node.kind), Name(name_node.kind));
  }
  return PushGlobal(module_node.text, name_node.text);
}

absl::Status PickleMachine::PushGlobal(std::string_view module, std::string_view name) {
  PickleNode node;
  node.kind = PickleKind::kGlobal;
  node.role = globals_.RoleOf(module, name);
  node.text = module;
  node.name = name;
  if (node.role == GlobalRole::kDangerous && !tree_.dangerous.has_value()) tree_.dangerous = {module, name};
  if (IsForeign(node) && tree_.foreign.size() < limits::kMaxForeignGlobals) {
    bool is_new = true;
    for (const ForeignGlobal& known : tree_.foreign) {
      if (known.module == module && known.name == name) is_new = false;
    }
    if (is_new) tree_.foreign.push_back({module, name});
  }
  return Push(std::move(node));
}

absl::Status PickleMachine::PersistentId() {
  PickleNode node;
  node.kind = PickleKind::kPersistent;
  FERRY_ASSIGN_OR_RETURN(const PickleRef id, Pop());
  node.items = {id};
  return Push(std::move(node));
}

absl::Status PickleMachine::Reduce() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef arguments, Pop());
  FERRY_ASSIGN_OR_RETURN(const PickleRef callable, Pop());
  NoteForeignUse(tree_[callable], &ForeignGlobal::is_called);
  return Call(callable, arguments, /*is_instance=*/false);
}

absl::Status PickleMachine::NewObject() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef arguments, Pop());
  FERRY_ASSIGN_OR_RETURN(const PickleRef callable, Pop());
  NoteForeignUse(tree_[callable], &ForeignGlobal::is_instantiated);
  return Call(callable, arguments, /*is_instance=*/true);
}

// The arguments that go by name are of no use here: no class that is known takes any.
absl::Status PickleMachine::NewObjectWithNames() {
  FERRY_RETURN_IF_ERROR(Pop().status());
  return NewObject();
}

absl::Status PickleMachine::Call(PickleRef callable, PickleRef arguments, bool is_instance) {
  const PickleNode& target = tree_[callable];
  if (tree_[arguments].kind != PickleKind::kTuple && !IsEnum(target, tree_[arguments])) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the arguments are a {}, not a tuple",
                            Name(tree_[arguments].kind));
  }
  PickleNode node;
  if (target.kind == PickleKind::kGlobal && target.role == GlobalRole::kMapping) {
    node.kind = PickleKind::kDict;
    FERRY_RETURN_IF_ERROR(FillMapping(node, tree_[arguments]));
    return Push(std::move(node));
  }
  const bool may_be_called = target.kind == PickleKind::kGlobal && target.role != GlobalRole::kValue;
  if (!may_be_called && !IsForeign(target)) {
    return base::MakeStatus(
        absl::StatusCode::kDataLoss, "a call of {}",
        target.kind == PickleKind::kGlobal ? DottedName(target.text, target.name) : std::string(Name(target.kind)));
  }
  node.kind = PickleKind::kObject;
  node.is_instance = is_instance;
  node.items = {callable, arguments};
  return Push(std::move(node));
}

// TorchScript writes a member of an Enum as a call of its class with the member's value alone.
bool PickleMachine::IsEnum(const PickleNode& target, const PickleNode& value) {
  const bool is_own =
      target.kind == PickleKind::kGlobal && target.role == GlobalRole::kClass && target.text.starts_with("__torch__");
  return is_own &&
         (value.kind == PickleKind::kInt || value.kind == PickleKind::kFloat || value.kind == PickleKind::kString);
}

// OrderedDict(), OrderedDict([[key, value], …]) (Python 2 wrote that), Counter({…}) and
// defaultdict(list), whose entries follow. What makes a defaultdict's values may be an object: partial(list).
absl::Status PickleMachine::FillMapping(PickleNode& mapping, const PickleNode& arguments) {
  if (arguments.items.empty()) return absl::OkStatus();
  const PickleNode& first = tree_[arguments.items[0]];
  if (first.kind == PickleKind::kGlobal || first.kind == PickleKind::kNone || first.kind == PickleKind::kObject) {
    return absl::OkStatus();
  }
  copied_items_ += first.items.size();
  if (copied_items_ > limits::kMaxPickleValues) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "mappings are made of more than {} values",
                            limits::kMaxPickleValues);
  }
  if (first.kind == PickleKind::kDict) {
    mapping.items = first.items;
    return absl::OkStatus();
  }
  if (first.kind != PickleKind::kList) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "a mapping made of a {}", Name(first.kind));
  }
  for (const PickleRef ref : first.items) {
    const PickleNode& pair = tree_[ref];
    const bool is_pair = (pair.kind == PickleKind::kList || pair.kind == PickleKind::kTuple) && pair.items.size() == 2;
    if (!is_pair) return absl::DataLossError("a mapping made of a list of what are no pairs");
    mapping.items.insert(mapping.items.end(), pair.items.begin(), pair.items.end());
  }
  return absl::OkStatus();
}

absl::Status PickleMachine::Build() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef state, Pop());
  FERRY_ASSIGN_OR_RETURN(const PickleRef target, Top());
  PickleNode& node = tree_.nodes[target];
  const bool has_state = node.kind == PickleKind::kDict || node.kind == PickleKind::kObject;
  if (!has_state) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "state for a {}", Name(node.kind));
  }
  node.state = state;
  return absl::OkStatus();
}

void PickleMachine::NoteForeignUse(const PickleNode& target, bool ForeignGlobal::*use) {
  // The legacy format has ('module', class, source file, source) as a class's persistent id.
  const PickleNode& callable = IsClassWithSource(tree_, target) ? tree_[tree_[target.items[0]].items[1]] : target;
  if (callable.kind != PickleKind::kGlobal || !IsForeign(callable)) return;
  for (ForeignGlobal& global : tree_.foreign) {
    if (global.module == callable.text && global.name == callable.name) global.*use = true;
  }
}

bool PickleMachine::IsForeign(const PickleNode& node) const { return checkpoint::IsForeign(tree_, node); }

}  // namespace torchferry::checkpoint
