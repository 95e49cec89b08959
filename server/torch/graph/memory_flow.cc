#include "server/torch/graph/memory_flow.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <string_view>

#include "server/torch/graph/operator_memory.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr int kFreshPlace = 0;
constexpr int kNonePlace = 1;
constexpr int kSelfPlace = 2;
constexpr int kAnyField = -1;
constexpr int kFirstNamedField = 1 << 20;  // below: an index
constexpr size_t kMaxDepth = 256;          // of modules; what lies deeper counts as one with the module there

uint64_t Pair(int a, int b) { return (uint64_t{static_cast<uint32_t>(a)} << 32) | static_cast<uint32_t>(b); }

// Whether elements may lie in it. Of a type that is not known, too.
bool IsContainer(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
    case c10::TypeKind::StorageType:
    case c10::TypeKind::GeneratorType:
      return false;
    case c10::TypeKind::OptionalType:
      return IsContainer(type->castRaw<c10::OptionalType>()->getElementType());
    default:
      return IsMutable(type);
  }
}

bool IsMutable(const Value* value) { return torchferry::libtorch::IsMutable(value->type()); }

bool MayHold(const Value* value) {  // None too, which an optional takes over
  return IsMutable(value) || value->type()->kind() == c10::TypeKind::NoneType;
}

bool Meet(const std::unordered_set<c10::Symbol>& a, const std::unordered_set<c10::Symbol>& b) {
  return std::ranges::any_of(
      a, [&](c10::Symbol name) { return name != c10::AliasInfo::wildcardSet() && b.contains(name); });
}

std::unordered_set<c10::Symbol> SetsOf(const c10::AliasInfo& info) {
  std::unordered_set<c10::Symbol> sets = info.beforeSets();
  sets.insert(info.afterSets().begin(), info.afterSets().end());
  return sets;
}

const c10::AliasInfo* ArgumentAlias(const c10::FunctionSchema& schema, size_t i) {
  return i < schema.arguments().size() ? schema.arguments()[i].alias_info() : nullptr;
}

// The list's own operators that leave each element where it is.
bool KeepsIndices(const Node* node) {
  return node->kind() == c10::aten::append || node->kind() == c10::aten::_set_item ||
         node->kind() == c10::Symbol::aten("extend") || node->kind() == c10::aten::add_;
}

// An index that is known and counts from the front, else kAnyField.
int IndexOf(const Value* index) {
  const auto constant = torch::jit::constant_as<int64_t>(index);
  return constant.has_value() && *constant >= 0 && *constant < kFirstNamedField ? static_cast<int>(*constant)
                                                                                : kAnyField;
}

bool IsHarmless(const Node* node) {
  static const auto* const kinds = new std::unordered_set<c10::Symbol>{
      c10::prim::isinstance, c10::prim::Print, c10::prim::RaiseException, c10::prim::EnumName, c10::prim::EnumValue};
  return kinds->contains(node->kind());
}

}  // namespace

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

MemoryFlow::MemoryFlow(Graph& graph, size_t max_steps) : max_steps_(max_steps) { Run(graph); }

MemoryFlow::MemoryFlow(Graph& graph, const MemoryFlow& all, size_t max_steps) : all_(&all), max_steps_(max_steps) {
  Run(graph);
}

std::string MemoryFlow::PathOf(int place) const {
  std::string path;
  for (; place != -1 && place != kSelfPlace; place = places_[place].parent) {
    path.insert(0, path.empty() ? places_[place].name : places_[place].name + ".");
  }
  return path;
}

void MemoryFlow::Run(Graph& graph) {
  NewPlace(Kind::kFresh);
  NewPlace(Kind::kContainer);  // None, where a list or an object is expected
  NewPlace(Kind::kModule);
  AddInputs(graph);
  AddNodes(graph);
  Solve();
  for (size_t i = 0; i < writes_.size(); ++i) {
    writes_[i].places = facts_[written_[i]];
    // Each value lies somewhere: this one was lost.
    if (writes_[i].places.empty() && !IsCertainPart()) is_complete_ = false;
  }
}

void MemoryFlow::AddInputs(Graph& graph) {
  AddFact(Of(graph.inputs()[0]), kSelfPlace);
  for (size_t i = 1; i < graph.inputs().size(); ++i) GiveFresh(graph.inputs()[i]);
}

void MemoryFlow::AddNodes(Graph& graph) {
  std::vector<Block*> blocks = {graph.block()};
  while (!blocks.empty()) {
    Block* const block = blocks.back();
    blocks.pop_back();
    for (Node* node : block->nodes()) {
      AddNode(node);
      blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
    }
  }
}

void MemoryFlow::AddNode(Node* node) {
  switch (node->kind()) {
    case c10::prim::Constant:
      if (IsMutable(node->output())) {
        AddFact(Of(node->output()), NewPlace(Kind::kConstant));
        has_constants_ = has_constants_ || !IsContainer(node->output()->type());
      } else if (node->output()->type()->kind() == c10::TypeKind::NoneType) {
        AddFact(Of(node->output()), kNonePlace);
      }
      return;
    case c10::prim::Uninitialized:
      if (MayHold(node->output())) AddFact(Of(node->output()), kNonePlace);
      return;
    case c10::prim::GetAttr:
      if (!IsMutable(node->output())) {
        if (MayHold(node->output())) AddFact(Of(node->output()), kNonePlace);
        return;
      }
      Add({.rule = Rule::kGetAttr,
           .from = Of(node->input()),
           .to = Of(node->output()),
           .field = FieldNumber(node->s(c10::attr::name)),
           .node = node});
      return;
    case c10::prim::SetAttr:
      AddWrite(node, Of(node->input(0)), WriteKind::kAssignment);
      if (MayHold(node->input(1))) {
        Store(Of(node->input(0)), FieldNumber(node->s(c10::attr::name)), Of(node->input(1)));
      }
      return;
    case c10::prim::CreateObject:
      NewContainer(node->output());
      return;
    case c10::prim::TupleConstruct:
    case c10::prim::ListConstruct:
    case c10::prim::DictConstruct: {
      if (!IsMutable(node->output())) return;
      NewContainer(node->output());
      const bool has_indices = node->kind() != c10::prim::DictConstruct;
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        if (!MayHold(node->input(i))) continue;
        Store(Of(node->output()), has_indices ? static_cast<int>(i) : kAnyField, Of(node->input(i)));
      }
      return;
    }
    case c10::prim::TupleUnpack:
    case c10::prim::ListUnpack:
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        if (MayHold(node->output(i))) Load(Of(node->input()), static_cast<int>(i), Of(node->output(i)));
      }
      return;
    case c10::prim::TupleIndex: {
      auto index = torch::jit::constant_as<int64_t>(node->input(1));
      const auto tuple = node->input(0)->type()->cast<c10::TupleType>();
      if (index.has_value() && *index < 0 && tuple != nullptr) *index += static_cast<int64_t>(tuple->elements().size());
      const bool is_known = index.has_value() && *index >= 0 && *index < kFirstNamedField;
      if (MayHold(node->output())) {
        Load(Of(node->input(0)), is_known ? static_cast<int>(*index) : kAnyField, Of(node->output()));
      }
      return;
    }
    case c10::prim::TupleSlice: {
      if (!IsMutable(node->output())) return;
      NewContainer(node->output());
      const int elements = NewVariable();
      Load(Of(node->input(0)), kAnyField, elements);
      Store(Of(node->output()), kAnyField, elements);
      return;
    }
    case c10::prim::If:
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        if (!MayHold(node->output(i))) continue;
        for (const Block* block : node->blocks()) Copy(Of(block->outputs()[i]), Of(node->output(i)));
      }
      return;
    case c10::prim::Loop:
      AddLoop(node);
      return;
    case c10::prim::unchecked_cast:
    case c10::prim::unchecked_unwrap_optional:
      if (MayHold(node->output())) Copy(Of(node->input()), Of(node->output()));
      return;
    case c10::prim::Enter:
    case c10::prim::Exit:
      AddContextManager(node);
      return;
    default:
      break;
  }
  const c10::FunctionSchema* schema = node->maybeSchema();
  const bool is_call = node->kind() == c10::prim::CallMethod || node->kind() == c10::prim::CallFunction ||
                       node->kind() == c10::prim::fork || node->kind() == c10::prim::awaitable;
  if (is_call || !node->blocks().empty() || (schema == nullptr && !IsHarmless(node))) {
    unknown_.push_back(node);
  } else if (schema != nullptr) {
    AddOperator(node, *schema);
  }
}

void MemoryFlow::AddLoop(Node* node) {
  const Block* body = node->blocks()[0];
  for (size_t i = 0; i < node->outputs().size(); ++i) {
    if (!MayHold(node->output(i))) continue;
    for (const int value : {Of(node->input(i + 2)), Of(body->outputs()[i + 1])}) {
      Copy(value, Of(body->inputs()[i + 1]));
      Copy(value, Of(node->output(i)));
    }
  }
}

// Runs code that is not in the graph, `__enter__` or `__exit__` of an object. One that the call makes, with nothing in
// it that can be written where it lies, has nothing else to write to: torch.no_grad.
void MemoryFlow::AddContextManager(Node* node) {
  const auto type = node->input(0)->type()->cast<c10::ClassType>();
  bool is_plain = type != nullptr && node->input(0)->node()->kind() == c10::prim::CreateObject;
  for (size_t i = 0; is_plain && i < type->numAttributes(); ++i) {
    is_plain = !torchferry::libtorch::IsMutable(type->getAttribute(i));
  }
  for (const Value* output : node->outputs()) is_plain = is_plain && !IsMutable(output);
  if (!is_plain) unknown_.push_back(node);
}

void MemoryFlow::AddOperator(Node* node, const c10::FunctionSchema& schema) {
  AddWrites(node, schema);
  AddHiddenWrite(node);
  for (size_t i = 0; i < node->outputs().size(); ++i) {
    const Value* output = node->output(i);
    if (!MayHold(output)) continue;
    const c10::AliasInfo* info = i < schema.returns().size() ? schema.returns()[i].alias_info() : nullptr;
    if (info != nullptr) {
      AddAnnotated(node, schema, *info, output);
    } else {
      AddBare(node, schema, output);
    }
  }
}

void MemoryFlow::AddWrites(Node* node, const c10::FunctionSchema& schema) {
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    const c10::AliasInfo* info = ArgumentAlias(schema, i);
    const Value* target = node->input(i);
    if (info == nullptr || !IsMutable(target)) continue;
    const auto& parts = info->containedTypes();
    if (std::ranges::any_of(parts, [](const c10::AliasInfo& part) { return part.isWrite(); })) {  // Tensor(a!)[]
      const int elements = NewVariable();
      Load(Of(target), kAnyField, elements);
      AddWrite(node, elements, WriteKind::kInPlace);
    } else if (info->isWrite()) {
      AddWrite(node, Of(target), WriteKind::kInPlace);
      if (IsContainer(target->type())) AddStores(node, target);
    }
  }
}

// What else the operator is given may now lie in the list or dict, or elements of it.
void MemoryFlow::AddStores(Node* node, const Value* container) {
  for (const Value* input : node->inputs()) {
    if (input == container || !MayHold(input)) continue;
    Store(Of(container), kAnyField, Of(input));
    if (!IsContainer(input->type())) continue;
    const int elements = NewVariable();
    Load(Of(input), kAnyField, elements);
    Store(Of(container), kAnyField, elements);
  }
  if (!KeepsIndices(node)) Add({.rule = Rule::kShuffle, .from = Of(container)});
}

void MemoryFlow::AddHiddenWrite(Node* node) {
  if (ReplacesMemory(node->kind().toQualString())) {
    // Whose memory the tensor has from now on is not followed; what the call has made is no one's.
    unknown_.push_back(node);
    return;
  }
  const HiddenWrite* hidden = FindHiddenWrite(node->kind().toQualString());
  if (hidden == nullptr) return;
  if (!hidden->flag.empty() && node->hasNamedInput(std::string(hidden->flag))) {
    const auto flag = torch::jit::constant_as<bool>(node->namedInput(std::string(hidden->flag)));
    if (flag.has_value() && !*flag) return;
  }
  for (const std::string_view name : hidden->arguments) {
    if (!node->hasNamedInput(std::string(name))) {  // the schema is not the one that is known here
      unknown_.push_back(node);
      return;
    }
    const Value* target = node->namedInput(std::string(name));
    if (!IsMutable(target)) continue;
    AddWrite(node, Of(target), hidden->is_statistics ? WriteKind::kStatistics : WriteKind::kInPlace);
  }
}

void MemoryFlow::AddAnnotated(Node* node, const c10::FunctionSchema& schema, const c10::AliasInfo& info,
                              const Value* output) {
  const bool may_copy = MayCopy(node->kind().toQualString());
  if (may_copy) {
    GiveFresh(output);
    if (IsCertainPart()) return;
  }
  const auto sets = SetsOf(info);
  bool has_source = false;
  const auto add_sources = [&](const std::unordered_set<c10::Symbol>& names, int to) {
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      const c10::AliasInfo* argument = ArgumentAlias(schema, i);
      if (argument == nullptr || !MayHold(node->input(i))) continue;
      if (Meet(argument->beforeSets(), names)) {
        Copy(Of(node->input(i)), to);
        has_source = true;
      }
      for (const c10::AliasInfo& part : argument->containedTypes()) {
        if (!Meet(part.beforeSets(), names)) continue;
        Load(Of(node->input(i)), kAnyField, to);
        has_source = true;
      }
    }
  };
  add_sources(sets, Of(output));
  if (sets.contains(c10::AliasInfo::wildcardSet())) {
    AddElements(node, Of(output));
    has_source = true;
  }
  if (IsContainer(output->type()) && !info.containedTypes().empty()) {
    const int elements = NewVariable();
    for (const c10::AliasInfo& part : info.containedTypes()) {
      const auto names = SetsOf(part);
      add_sources(names, elements);
      if (!names.contains(c10::AliasInfo::wildcardSet())) continue;
      AddElements(node, elements);
      has_source = true;
    }
    NewContainer(output);
    Store(Of(output), kAnyField, elements);
  }
  if (!has_source) {
    GiveFresh(output);
    if (!IsCertainPart()) Copy(Closure(node), Of(output));
  }
}

// What `list[i]`, `dict.get(key, default)` or `list.pop()` gives.
void MemoryFlow::AddElements(Node* node, int to) {
  const bool is_index = node->kind() == c10::aten::__getitem__ && node->inputs().size() == 2 &&
                        node->input(0)->type()->kind() == c10::TypeKind::ListType;
  const int field = is_index ? IndexOf(node->input(1)) : kAnyField;
  for (const Value* input : node->inputs()) {
    if (!MayHold(input)) continue;
    if (IsContainer(input->type())) {
      Load(Of(input), field, to);
      // A default that is a list itself.
      if (!is_index && input != node->input(0)) Copy(Of(input), to);
    } else {
      Copy(Of(input), to);
    }
  }
}

void MemoryFlow::AddBare(Node* node, const c10::FunctionSchema& schema, const Value* output) {
  const BareOutput memory = OutputWithoutAnnotation(schema);
  GiveFresh(output);
  if (memory == BareOutput::kFresh || IsCertainPart()) return;
  const int sources = Closure(node);
  if (IsContainer(output->type())) Store(Of(output), kAnyField, sources);
  if (memory != BareOutput::kNewList) Copy(sources, Of(output));
}

void MemoryFlow::AddWrite(Node* node, int variable, WriteKind kind) {
  Write& write = writes_.emplace_back();
  write.node = node;
  write.kind = kind;
  written_.push_back(variable);
}

int MemoryFlow::Of(const Value* value) {
  const auto [found, is_new] = variables_.try_emplace(value, 0);
  if (is_new) found->second = NewVariable();
  return found->second;
}

int MemoryFlow::NewVariable() {
  facts_.emplace_back();
  readers_.emplace_back();
  is_queued_.push_back(false);
  return static_cast<int>(facts_.size()) - 1;
}

int MemoryFlow::NewPlace(Kind kind, int parent, std::string name, size_t depth) {
  places_.push_back({.kind = kind, .parent = parent, .name = std::move(name), .depth = depth});
  return static_cast<int>(places_.size()) - 1;
}

int MemoryFlow::Child(int parent, Node* get) {
  const std::string& name = get->s(c10::attr::name);
  const auto [found, is_new] = children_.try_emplace({parent, name}, 0);
  if (!is_new) return found->second;
  const size_t depth = places_[parent].depth + 1;
  const bool is_module = IsModule(get->output()) && depth < kMaxDepth;
  found->second = NewPlace(is_module ? Kind::kModule : Kind::kAttribute, parent, name, depth);
  return found->second;
}

MemoryFlow::Contents& MemoryFlow::ContentsOf(int place) {
  const auto found = contents_.find(place);
  if (found != contents_.end()) return found->second;
  Contents& contents = contents_[place];
  contents.rest = NewVariable();
  contents.any = NewVariable();
  Copy(contents.rest, contents.any);
  // What lies in an attribute is one with it.
  const Kind kind = places_[place].kind;
  if (kind == Kind::kAttribute || kind == Kind::kConstant || kind == Kind::kFresh) AddFact(contents.rest, place);
  return contents;
}

int MemoryFlow::FieldOf(int place, int field) {
  Contents& contents = ContentsOf(place);
  if (field == kAnyField) return contents.rest;
  const auto found = contents.fields.find(field);
  if (found != contents.fields.end()) return found->second;
  const int variable = NewVariable();
  contents.fields.emplace(field, variable);
  Copy(variable, contents.any);
  return variable;
}

int MemoryFlow::FieldNumber(const std::string& name) {
  return field_numbers_.try_emplace(name, kFirstNamedField + static_cast<int>(field_numbers_.size())).first->second;
}

int MemoryFlow::NewContainer(const Value* value) {
  const auto found = containers_.find(value);
  if (found != containers_.end()) return found->second;
  const int place = NewPlace(Kind::kContainer);
  containers_.emplace(value, place);
  container_values_.emplace(place, value);
  AddFact(Of(value), place);
  return place;
}

// Of a container all that is in it is as new as itself.
void MemoryFlow::GiveFresh(const Value* value) {
  if (!MayHold(value)) return;
  if (!IsContainer(value->type())) {
    AddFact(Of(value), value->type()->kind() == c10::TypeKind::NoneType ? kNonePlace : kFreshPlace);
    return;
  }
  const int place = NewContainer(value);
  AddFact(ContentsOf(place).rest, place);
}

// All that the inputs are and all that lies in them, at any depth.
int MemoryFlow::Closure(Node* node) {
  const int closure = NewVariable();
  for (const Value* input : node->inputs()) {
    if (MayHold(input)) Copy(Of(input), closure);
  }
  Load(closure, kAnyField, closure);
  return closure;
}

void MemoryFlow::Copy(int from, int to) {
  if (from == to || !copies_.insert(Pair(from, to)).second) return;
  Add({.rule = Rule::kCopy, .from = from, .to = to});
}

void MemoryFlow::Load(int from, int field, int to) {
  Add({.rule = Rule::kLoad, .from = from, .to = to, .field = field});
}

void MemoryFlow::Store(int container, int field, int value) {
  Add({.rule = Rule::kStore, .from = container, .to = value, .field = field});
}

void MemoryFlow::Add(Constraint constraint) {
  const int from = constraint.from;
  readers_[from].push_back(constraints_.size());
  constraints_.push_back(constraint);
  if (!facts_[from].empty()) Queue(from);
}

void MemoryFlow::AddFact(int variable, int place) {
  if (!has_fact_.insert(Pair(variable, place)).second) return;
  facts_[variable].push_back(place);
  Queue(variable);
}

void MemoryFlow::Queue(int variable) {
  if (is_queued_[variable]) return;
  is_queued_[variable] = true;
  queue_.push_back(variable);
}

void MemoryFlow::Solve() {
  while (!queue_.empty()) {
    const int variable = queue_.back();
    queue_.pop_back();
    is_queued_[variable] = false;
    for (size_t i = 0; i < readers_[variable].size(); ++i) {  // both may grow
      const size_t constraint = readers_[variable][i];
      ++steps_;
      while (constraints_[constraint].done < facts_[variable].size()) {
        if (++steps_ > max_steps_ || has_fact_.size() > kMaxFacts) {
          is_complete_ = false;
          return;
        }
        Apply(constraint, facts_[variable][constraints_[constraint].done++]);
      }
    }
  }
}

void MemoryFlow::Apply(size_t constraint, int place) {
  const Constraint rule = constraints_[constraint];
  switch (rule.rule) {
    case Rule::kCopy:
      AddFact(rule.to, place);
      return;
    case Rule::kLoad:
      ApplyLoad(place, rule.field, rule.to);
      return;
    case Rule::kStore:
      // Fresh tensors have nothing in them: a list was lost on the way.
      if (places_[place].kind == Kind::kFresh && !IsCertainPart()) is_complete_ = false;
      Copy(rule.to, FieldOf(place, rule.field));
      return;
    case Rule::kShuffle: {
      const Contents contents = ContentsOf(place);
      Copy(contents.any, contents.rest);
      return;
    }
    case Rule::kGetAttr:
      if (places_[place].kind == Kind::kModule) AddFact(rule.to, Child(place, rule.node));
      ApplyLoad(place, rule.field, rule.to);
      return;
  }
}

void MemoryFlow::ApplyLoad(int place, int field, int to) {
  if (places_[place].kind == Kind::kModule && field == kAnyField) {  // no operator takes a module
    is_complete_ = false;
    return;
  }
  if (IsCertainPart() && places_[place].kind == Kind::kContainer) {
    const auto value = container_values_.find(place);
    if (value == container_values_.end()) return;
    const bool is_known_field = field != kAnyField && value->second->node()->kind() == c10::prim::TupleConstruct;
    if (!is_known_field && !all_->HoldsAttributesOnly(value->second)) return;
  }
  if (field == kAnyField) {
    Copy(ContentsOf(place).any, to);
    return;
  }
  Copy(FieldOf(place, field), to);
  Copy(ContentsOf(place).rest, to);
}

bool MemoryFlow::HoldsAttributesOnly(const Value* container) const {
  const auto place = containers_.find(container);
  if (place == containers_.end()) return false;
  const auto contents = contents_.find(place->second);
  if (contents == contents_.end()) return false;
  const std::vector<int>& elements = facts_[contents->second.any];
  return !elements.empty() &&
         std::ranges::all_of(elements, [&](int element) { return places_[element].kind == Kind::kAttribute; });
}

}  // namespace torchferry::libtorch
