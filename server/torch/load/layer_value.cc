#include "server/torch/load/layer_value.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "server/plan/layer_suggestion.h"
#include "server/plan/value_operators.h"
#include "server/torch/load/unrolled_ranges.h"

namespace torchferry::libtorch {
namespace {

using plan::ModuleNode;
using plan::PlanValue;
using plan::ValueKind;
using torch::jit::ErrorReport;
using torch::jit::GraphFunction;
using torch::jit::NamedValue;
using torch::jit::SimpleValue;
using torch::jit::SourceRange;
using torch::jit::SugaredTupleValue;
using torch::jit::SugaredValue;
using torch::jit::Value;

using SugaredPtr = std::shared_ptr<SugaredValue>;

constexpr size_t kMaxDepth = 16;  // lists in lists

std::optional<c10::IValue> ConstantOf(const PlanValue& value, size_t depth = 0);

// Python's lists may hold anything; TorchScript's hold values of one type.
std::optional<c10::IValue> ListOf(const std::vector<PlanValue>& items, size_t depth) {
  const auto all = [&](auto is) { return std::ranges::all_of(items, is); };
  if (all([](const PlanValue& v) { return v.Is(ValueKind::kInt); })) {
    c10::List<int64_t> list;
    for (const PlanValue& item : items) list.push_back(item.integer);
    return list;
  }
  if (all([](const PlanValue& v) { return v.Is(ValueKind::kInt) || v.Is(ValueKind::kFloat); })) {
    c10::List<double> list;
    for (const PlanValue& item : items) {
      list.push_back(item.Is(ValueKind::kFloat) ? item.real : static_cast<double>(item.integer));
    }
    return list;
  }
  std::vector<c10::IValue> values;
  for (const PlanValue& item : items) {
    std::optional<c10::IValue> constant = ConstantOf(item, depth + 1);
    if (!constant.has_value()) return std::nullopt;
    values.push_back(*std::move(constant));
    if (*values.back().type() != *values.front().type()) return std::nullopt;
  }
  c10::impl::GenericList list(values.front().type());
  for (c10::IValue& each : values) list.push_back(std::move(each));
  return list;
}

std::optional<c10::IValue> ConstantOf(const PlanValue& value, size_t depth) {
  if (depth > kMaxDepth) return std::nullopt;
  switch (value.kind) {
    case ValueKind::kNone:
      return c10::IValue();
    case ValueKind::kBool:
      return value.integer != 0;
    case ValueKind::kInt:
      return value.integer;
    case ValueKind::kFloat:
      return value.real;
    case ValueKind::kText:
      return value.text;
    case ValueKind::kList:
      return ListOf(*value.items, depth);
    case ValueKind::kTuple: {
      std::vector<c10::IValue> items;
      for (const PlanValue& item : *value.items) {
        std::optional<c10::IValue> constant = ConstantOf(item, depth + 1);
        if (!constant.has_value()) return std::nullopt;
        items.push_back(*std::move(constant));
      }
      return c10::ivalue::Tuple::create(std::move(items));
    }
    default:
      return std::nullopt;
  }
}

// self.blocks.items(), which a loop goes through.
class BoundMethod final : public SugaredValue {
 public:
  explicit BoundMethod(SugaredPtr result) : result_(std::move(result)) {}
  std::string kind() const override { return "method"; }
  SugaredPtr call(const SourceRange&, GraphFunction&, at::ArrayRef<NamedValue>, at::ArrayRef<NamedValue>,
                  size_t) override {
    return result_;
  }

 private:
  const SugaredPtr result_;
};

class LayerValue final : public SugaredValue {
 public:
  LayerValue(Value* value, std::string path, const ModuleNode* node, const LayerScope& scope)
      : value_(value), path_(std::move(path)), node_(node), scope_(scope) {}

  std::string kind() const override { return "module"; }
  Value* asValue(const SourceRange&, GraphFunction&) override { return value_; }

  SugaredPtr attr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    const c10::ClassTypePtr type = Type();
    const PlanValue* member = Member(field);
    if (type->hasAttribute(field)) {
      if (type->getAttribute(field)->cast<c10::ClassType>() == nullptr) return Plain()->attr(loc, method, field);
      const ModuleNode* child = member != nullptr && member->Is(ValueKind::kModule) ? member->module : nullptr;
      Value* value = method.graph()->insertGetAttr(value_, field);
      return std::make_shared<LayerValue>(value, path_.empty() ? field : path_ + "." + field, child, scope_);
    }
    if (field == "flat_weights" && node_ != nullptr && node_->IsLayer()) return FlatWeights(loc, method);
    if (member != nullptr) {
      if (SugaredPtr value = MemberValue(*member, loc, method, field)) return value;
    }
    if (field == "training") return MakeConstant(plan::BoolValue(false), loc, method);
    const bool is_dict = node_ != nullptr && node_->IsKindOf("ModuleDict");
    if (is_dict && (field == "items" || field == "keys" || field == "values")) {
      return std::make_shared<BoundMethod>(Children(loc, method, field));
    }
    return Plain()->attr(loc, method, field);
  }

  bool hasAttr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    return Member(field) != nullptr || Plain()->hasAttr(loc, method, field);
  }

  void setAttr(const SourceRange& loc, GraphFunction& method, const std::string& field, Value* value) override {
    Plain()->setAttr(loc, method, field, value);
  }

  SugaredPtr call(const SourceRange& loc, GraphFunction& method, at::ArrayRef<NamedValue> args,
                  at::ArrayRef<NamedValue> kwargs, size_t n_binders) override {
    const std::string name = MethodFor(method, args, kwargs);
    if (Type()->findMethod(name) == nullptr) {
      if (node_ != nullptr && !node_->spelled.empty()) {
        throw ErrorReport(loc) << node_->spelled << " has no forward, and cannot be called";
      }
      throw ErrorReport(loc) << plan::MissingLayer(*scope_.keys, path_);
    }
    return Plain()->attr(loc, method, name)->call(loc, method, args, kwargs, n_binders);
  }

  SugaredPtr iter(const SourceRange& loc, GraphFunction& method) override {
    return Children(loc, method, node_ != nullptr && node_->IsKindOf("ModuleDict") ? "keys" : "values");
  }

  SugaredPtr asTupleValue(const SourceRange& loc, GraphFunction& method) override {
    return Children(loc, method, "values");
  }

  std::vector<SugaredPtr> asTuple(const SourceRange& loc, GraphFunction& method,
                                  const std::optional<size_t>&) override {
    return Children(loc, method, "values")->tup_;
  }

  Value* len(const SourceRange& loc, GraphFunction& method) override {
    if (node_ == nullptr || !node_->IsContainer()) return SugaredValue::len(loc, method);
    return method.graph()->insertConstant(static_cast<int64_t>(node_->child_order.size()), loc);
  }

  SugaredPtr getitem(const SourceRange& loc, GraphFunction& method, Value* index, c10::TypePtr) override {
    const std::optional<c10::IValue> constant = torch::jit::toIValue(index);
    if (constant.has_value() && constant->isString()) return attr(loc, method, constant->toStringRef());
    const std::optional<int64_t> number = StaticInt(index);
    if (!number.has_value()) {
      throw ErrorReport(loc) << "modules are chosen by a literal number, or by a loop over the modules: for layer in "
                                "self.layers, for i, layer in enumerate(self.layers)";
    }
    if (node_ == nullptr || !node_->IsContainer()) {
      const std::string name = std::to_string(*number);
      if (Type()->hasAttribute(name)) return attr(loc, method, name);
      throw ErrorReport(loc) << "the state_dict has no keys below this module's child \"" << name << "\"";
    }
    const auto size = static_cast<int64_t>(node_->child_order.size());
    const int64_t at = *number < 0 ? *number + size : *number;
    if (at < 0 || at >= size) throw ErrorReport(loc) << "there are " << size << " modules, and no number " << *number;
    return attr(loc, method, node_->child_order[static_cast<size_t>(at)]);
  }

 private:
  c10::ClassTypePtr Type() const { return value_->type()->expect<c10::ClassType>(); }
  SugaredPtr Plain() const { return std::make_shared<SimpleValue>(value_); }

  const PlanValue* Member(const std::string& field) const {
    if (node_ == nullptr) return nullptr;
    const auto found = node_->members.find(field);
    return found == node_->members.end() ? nullptr : &found->second;
  }

  SugaredPtr MemberValue(const PlanValue& member, const SourceRange& loc, GraphFunction& method,
                         const std::string& field) const {
    if (SugaredPtr constant = MakeConstant(member, loc, method)) return constant;
    if (member.Is(ValueKind::kTensor)) {
      throw ErrorReport(loc) << field << " is a tensor that the state_dict does not have; write self.register_buffer(\""
                             << field << "\", …) in the model and save its state_dict again, or compute it in forward";
    }
    if (member.Is(ValueKind::kFunction) && member.module == nullptr) {
      return scope_.resolver->resolveValue(member.function->name, method, loc);
    }
    if (member.Is(ValueKind::kName)) {
      SugaredPtr value;
      for (size_t begin = 0; begin <= member.text.size();) {
        const size_t end = std::min(member.text.find('.', begin), member.text.size());
        const std::string part = member.text.substr(begin, end - begin);
        begin = end + 1;
        value = value == nullptr ? scope_.resolver->resolveValue(part, method, loc) : value->attr(loc, method, part);
        if (value == nullptr) return nullptr;
      }
      return value;
    }
    const bool holds_modules = member.IsList() && std::ranges::any_of(*member.items, [](const PlanValue& item) {
                                 return item.Is(ValueKind::kModule);
                               });
    if (holds_modules) {
      throw ErrorReport(loc) << field
                             << " is a list of modules, which the state_dict has no keys for; write "
                                "nn.ModuleList([…])";
    }
    if (member.Is(ValueKind::kClass) || member.IsList() || member.Is(ValueKind::kDict)) {
      throw ErrorReport(loc) << field
                             << " holds what a forward pass cannot read: numbers, text, and lists of one type "
                                "can be read";
    }
    return nullptr;
  }

  SugaredPtr FlatWeights(const SourceRange& loc, GraphFunction& method) const {
    torch::jit::Graph& graph = *method.graph();
    std::vector<Value*> weights;
    for (const PlanValue& name : *node_->members.at("flat_weights").items) {
      weights.push_back(graph.insertGetAttr(value_, name.text));
    }
    torch::jit::Node* list = graph.insertNode(graph.createList(c10::TensorType::get(), weights));
    list->setSourceRange(loc);
    return std::make_shared<SimpleValue>(list->output());
  }

  // Of a module that has children and no others: "keys", "values" or "items".
  std::shared_ptr<SugaredTupleValue> Children(const SourceRange& loc, GraphFunction& method, const std::string& what) {
    if (node_ == nullptr || !node_->IsContainer()) {
      throw ErrorReport(loc) << "the module self" << (path_.empty() ? "" : ".") << path_
                             << " has no items; write nn.ModuleList([…]) or nn.Sequential(…) in `def __init__(self):`";
    }
    scope_.budget->Spend(node_->child_order.size(), loc);
    std::vector<SugaredPtr> children;
    for (const std::string& name : node_->child_order) {
      SugaredPtr key = MakeConstant(plan::TextValue(name), loc, method);
      if (what == "keys") {
        children.push_back(std::move(key));
        continue;
      }
      SugaredPtr child = attr(loc, method, name);
      children.push_back(what == "values" ? std::move(child)
                                          : std::make_shared<SugaredTupleValue>(std::vector<SugaredPtr>{key, child}));
    }
    return std::make_shared<SugaredTupleValue>(std::move(children));
  }

  // An attention layer gives weights or None as need_weights says, where that is written out.
  std::string MethodFor(GraphFunction& method, at::ArrayRef<NamedValue> args, at::ArrayRef<NamedValue> kwargs) const {
    constexpr size_t kPosition = 4;  // of need_weights
    if (node_ == nullptr || !node_->IsLayer() || !node_->IsKindOf("MultiheadAttention")) return "forward";
    std::optional<c10::IValue> needs_weights = true;
    const auto read = [&](const NamedValue& argument) {
      needs_weights = torch::jit::toIValue(argument.value(*method.graph()));
    };
    if (args.size() > kPosition) read(args[kPosition]);
    for (const NamedValue& argument : kwargs) {
      if (argument.name() == "need_weights") read(argument);
    }
    if (!needs_weights.has_value() || !needs_weights->isBool()) return "forward";
    return needs_weights->toBool() ? "forward_with_weights" : "forward_without_weights";
  }

  Value* const value_;
  const std::string path_;
  const ModuleNode* const node_;
  const LayerScope& scope_;
};

}  // namespace

SugaredPtr MakeConstant(const PlanValue& value, const SourceRange& loc, GraphFunction& method) {
  const std::optional<c10::IValue> constant = ConstantOf(value);
  if (!constant.has_value()) return nullptr;
  return std::make_shared<SimpleValue>(method.graph()->insertConstant(*constant, loc));
}

SugaredPtr MakeLayerValue(Value* value, const std::string& path, const ModuleNode* node, const LayerScope& scope) {
  return std::make_shared<LayerValue>(value, path, node, scope);
}

}  // namespace torchferry::libtorch
