#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_library.h"
#include "server/plan/layer_limits.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

constexpr std::array<std::string_view, 31> kBuiltIns = {
    "len",        "range",   "int",     "float",    "bool",     "str",       "list",      "tuple",
    "dict",       "max",     "min",     "abs",      "sum",      "round",     "enumerate", "zip",
    "isinstance", "hasattr", "getattr", "setattr",  "callable", "reversed",  "any",       "all",
    "print",      "super",   "type",    "warnings", "logging",  "functools", "cast"};
constexpr std::array<std::string_view, 28> kModuleMethods = {"insert",
                                                             "append",
                                                             "extend",
                                                             "add_module",
                                                             "register_module",
                                                             "register_buffer",
                                                             "register_parameter",
                                                             "modules",
                                                             "children",
                                                             "named_modules",
                                                             "named_children",
                                                             "parameters",
                                                             "named_parameters",
                                                             "buffers",
                                                             "apply",
                                                             "eval",
                                                             "train",
                                                             "to",
                                                             "half",
                                                             "float",
                                                             "double",
                                                             "bfloat16",
                                                             "cuda",
                                                             "cpu",
                                                             "requires_grad_",
                                                             "reset_parameters",
                                                             "items",
                                                             "keys"};

PlanValue Tensor(std::vector<PlanValue>* shape) {
  PlanValue value;
  value.kind = ValueKind::kTensor;
  value.text = "tensor";
  value.items = shape;
  return value;
}

bool IsWhole(const PlanValue& value) { return value.IsNumber() && !value.Is(ValueKind::kFloat); }

}  // namespace

bool IsBuiltIn(std::string_view name) { return std::ranges::find(kBuiltIns, name) != kBuiltIns.end(); }

bool IsModuleMethod(std::string_view name) {
  return name == "values" || std::ranges::find(kModuleMethods, name) != kModuleMethods.end();
}

PlanValue Interpreter::CallNamed(const std::string& path, CallArguments arguments) {
  if (IsBuiltIn(path)) return CallBuiltIn(path, std::move(arguments));
  std::vector<PlanValue>& given = arguments.positional;
  const auto ends_with = [&](std::string_view name) { return path.ends_with(name); };
  if (path == "functools.partial" && !given.empty()) {
    std::vector<PlanValue> named;
    for (auto& [name, value] : arguments.named) {
      named.push_back(TextValue(name));
      named.push_back(std::move(value));
    }
    PlanValue function = given[0];
    given.erase(given.begin());
    PlanValue partial = NewList(ValueKind::kTuple, {std::move(function), NewList(ValueKind::kTuple, std::move(given)),
                                                    NewList(ValueKind::kDict, std::move(named))});
    partial.kind = ValueKind::kPartial;
    return partial;
  }
  if ((path == "copy.deepcopy" || path == "copy.copy") && given.size() == 1) return given[0];
  if (path == "collections.OrderedDict") return OrderedDict(arguments);
  if (ends_with(".Parameter") && path.starts_with("torch.nn.")) {
    if (given.empty() && !arguments.named.empty()) given.push_back(arguments.named[0].second);
    if (given.empty() || !given[0].Is(ValueKind::kTensor)) return Fail("nn.Parameter takes a tensor: torch.zeros(…)");
    PlanValue parameter = given[0];
    parameter.text = "parameter";
    return parameter;
  }
  if (path == "torch.nn.utils.weight_norm" || path == "torch.nn.utils.spectral_norm" ||
      path.starts_with("torch.nn.utils.parametriz")) {
    return Fail(
        fmt::format("{} keeps other tensors than the layer's own; call its remove function before "
                    "torch.save(model.state_dict(), path), and leave it out here",
                    path));
  }
  if (path.starts_with("math.")) return CallMath(path.substr(5), arguments);
  if (path.starts_with("torch.nn.") && !path.starts_with("torch.nn.functional.") && path.size() > 9 &&
      std::isupper(static_cast<unsigned char>(path[path.rfind('.') + 1])) != 0) {
    return Fail(
        fmt::format("nn.{} is not among the layers that are known here, which are {}. Write a class of it, with "
                    "nn.Parameter for its tensors and operators in its forward",
                    path.substr(path.rfind('.') + 1), LayerNames()));
  }
  if (path.starts_with("torch.")) return CallTorch(path, std::move(arguments));
  return Fail(fmt::format("{} cannot be called in a constructor", checkpoint::Quoted(path)));
}

PlanValue Interpreter::OrderedDict(const CallArguments& arguments) {
  std::vector<PlanValue> items;
  if (!arguments.positional.empty()) {
    const PlanValue& source = arguments.positional[0];
    if (source.Is(ValueKind::kDict)) return source;
    for (const PlanValue& pair : ItemsOf(source)) {
      const std::vector<PlanValue> both = ItemsOf(pair);
      if (ok() && both.size() != 2) Fail("OrderedDict takes pairs of a name and a value");
      if (!ok()) return {};
      items.insert(items.end(), both.begin(), both.end());
    }
  }
  for (const auto& [name, value] : arguments.named) {
    items.push_back(TextValue(name));
    items.push_back(value);
  }
  return NewList(ValueKind::kDict, std::move(items));
}

// Tensors have a shape here, where it can be told, and no values.
PlanValue Interpreter::CallTorch(const std::string& path, CallArguments arguments) {
  const std::string name = path.substr(6);
  if (name == "device" || name == "Size") return arguments.positional.empty() ? PlanValue() : arguments.positional[0];
  if (name == "no_grad" || name == "manual_seed") return {};
  constexpr std::array<std::string_view, 7> kByShape = {"zeros", "ones", "empty", "randn", "rand", "full", "Tensor"};
  std::vector<PlanValue>& given = arguments.positional;
  for (const auto& [key, value] : arguments.named) {
    if (key == "size" && given.empty()) given.push_back(value);
  }
  if (std::ranges::find(kByShape, name) == kByShape.end() || given.empty()) return Tensor(nullptr);
  const std::vector<PlanValue> shape = given[0].IsList() ? *given[0].items : given;
  if (!std::ranges::all_of(shape, IsWhole) || (name == "full" && !given[0].IsList())) return Tensor(nullptr);
  return Tensor(NewList(ValueKind::kTuple, shape).items);
}

PlanValue Interpreter::CallMath(const std::string& name, const CallArguments& arguments) {
  const std::vector<PlanValue>& given = arguments.positional;
  if (given.empty() || !std::ranges::all_of(given, [](const PlanValue& v) { return v.IsNumber(); })) {
    return Fail(fmt::format("math.{} takes numbers", name));
  }
  const auto real = [&](size_t i) {
    return given[i].Is(ValueKind::kFloat) ? given[i].real : static_cast<double>(given[i].integer);
  };
  const double x = real(0);
  double result = std::nan("");
  if (name == "sqrt") result = std::sqrt(x);
  if (name == "log") result = given.size() > 1 ? std::log(x) / std::log(real(1)) : std::log(x);
  if (name == "log2") result = std::log2(x);
  if (name == "log10") result = std::log10(x);
  if (name == "exp") result = std::exp(x);
  if (name == "pow" && given.size() > 1) result = std::pow(x, real(1));
  if (name == "sin") result = std::sin(x);
  if (name == "cos") result = std::cos(x);
  const bool is_rounded = name == "ceil" || name == "floor";
  if (is_rounded) result = name == "ceil" ? std::ceil(x) : std::floor(x);
  if (!std::isfinite(result)) return Fail(fmt::format("math.{}({}) is not known here, or no number", name, x));
  if (is_rounded && std::abs(result) < 9e15) return IntValue(static_cast<int64_t>(result));
  return FloatValue(result);
}

PlanValue Interpreter::Range(const std::vector<PlanValue>& bounds) {
  if (bounds.empty() || bounds.size() > 3 || !std::ranges::all_of(bounds, IsWhole)) {
    return Fail("range takes one to three whole numbers");
  }
  const int64_t begin = bounds.size() == 1 ? 0 : bounds[0].integer;
  const int64_t end = bounds.size() == 1 ? bounds[0].integer : bounds[1].integer;
  const int64_t step = bounds.size() == 3 ? bounds[2].integer : 1;
  constexpr int64_t kMax = int64_t{1} << 40;
  if (step == 0 || std::abs(step) > kMax || std::abs(begin) > kMax || std::abs(end) > kMax) {
    return Fail("a range of a constructor has small numbers, and no step of 0");
  }
  std::vector<PlanValue> items;
  for (int64_t i = begin; ok() && (step > 0 ? i < end : i > end); i += step) Append(items, IntValue(i));
  return NewList(ValueKind::kList, std::move(items));
}

PlanValue Interpreter::Zip(const std::vector<PlanValue>& lists) {
  std::vector<std::vector<PlanValue>> columns;
  size_t count = SIZE_MAX;
  for (const PlanValue& list : lists) {
    columns.push_back(ItemsOf(list));
    count = std::min(count, columns.back().size());
  }
  std::vector<PlanValue> rows;
  for (size_t i = 0; i < count && !columns.empty() && ok(); ++i) {
    std::vector<PlanValue> row;
    for (const std::vector<PlanValue>& column : columns) row.push_back(column[i]);
    Append(rows, NewList(ValueKind::kTuple, std::move(row)));
  }
  return NewList(ValueKind::kList, std::move(rows));
}

PlanValue Interpreter::Extreme(std::string_view op, const CallArguments& arguments) {
  const std::vector<PlanValue>& given = arguments.positional;
  const std::vector<PlanValue> items = given.size() == 1 ? ItemsOf(given[0]) : given;
  if (items.empty()) return Fail("max and min take at least one number");
  PlanValue best = items[0];
  for (const PlanValue& item : items) {
    const ValueOrReason is_better = BinaryOperator(op, item, best);
    if (const auto* reason = std::get_if<std::string>(&is_better)) return Fail(*reason);
    if (IsTrue(std::get<PlanValue>(is_better))) best = item;
  }
  return best;
}

PlanValue Interpreter::ToNumber(const std::string& name, const PlanValue& value) {
  if (value.Is(ValueKind::kText)) {
    const std::optional<PlanValue> number = NumberOf(value.text);
    if (number.has_value()) return ToNumber(name, *number);
  }
  if (!value.IsNumber()) return Fail(fmt::format("{} takes a number, and not {}", name, KindName(value)));
  const double real = value.Is(ValueKind::kFloat) ? value.real : static_cast<double>(value.integer);
  if (name == "float") return FloatValue(real);
  if (!value.Is(ValueKind::kFloat)) return IntValue(value.integer);
  if (std::abs(real) > 9e15) return Fail(fmt::format("{} is too large for an int", real));
  return IntValue(static_cast<int64_t>(name == "round" ? std::nearbyint(real) : real));
}

bool Interpreter::IsInstance(const PlanValue& value, const PlanValue& type) {
  if (type.Is(ValueKind::kTuple)) {
    return std::ranges::any_of(*type.items,
                               [&](const PlanValue& each) { return !each.IsList() && IsInstance(value, each); });
  }
  if (type.Is(ValueKind::kClass)) {
    return value.Is(ValueKind::kModule) &&
           std::ranges::find(value.module->types, type.type) != value.module->types.end();
  }
  if (!type.Is(ValueKind::kName)) return false;
  const std::string& name = type.text;
  if (name == "int") return IsWhole(value);
  if (name == "float") return value.Is(ValueKind::kFloat);
  if (name == "bool") return value.Is(ValueKind::kBool);
  if (name == "str") return value.Is(ValueKind::kText);
  if (name == "list") return value.Is(ValueKind::kList);
  if (name == "tuple") return value.Is(ValueKind::kTuple);
  if (name == "dict" || name == "collections.OrderedDict") return value.Is(ValueKind::kDict);
  if (name == "torch.nn.Module") return value.Is(ValueKind::kModule);
  if (name == "torch.Tensor" || name == "torch.nn.Parameter") return value.Is(ValueKind::kTensor);
  return false;
}

PlanValue Interpreter::CallBuiltIn(const std::string& name, CallArguments arguments) {
  const std::vector<PlanValue>& given = arguments.positional;
  if (name == "dict") return OrderedDict(arguments);
  if (name == "print") return {};
  if (name == "range") return Range(given);
  if (name == "zip") return Zip(given);
  if (name == "max" || name == "min") return Extreme(name == "max" ? ">" : "<", arguments);
  if (given.empty()) {
    if (name == "list" || name == "tuple") return NewList(name == "list" ? ValueKind::kList : ValueKind::kTuple, {});
    return Fail(fmt::format("{}() needs an argument", name));
  }
  const PlanValue& first = given[0];
  if (name == "int" || name == "float" || (name == "round" && given.size() == 1)) return ToNumber(name, first);
  if (name == "bool") return BoolValue(IsTrue(first));
  if (name == "str") return TextValue(first.Is(ValueKind::kText) ? first.text : Shown(first));
  if (name == "abs" && first.Is(ValueKind::kFloat)) return FloatValue(std::abs(first.real));
  if (name == "abs" && IsWhole(first) && first.integer != INT64_MIN) return IntValue(std::abs(first.integer));
  if (name == "len") return IntValue(static_cast<int64_t>(ItemsOf(first).size()));
  if (name == "list") return NewList(ValueKind::kList, ItemsOf(first));
  if (name == "tuple") return NewList(ValueKind::kTuple, ItemsOf(first));
  if (name == "reversed") {
    std::vector<PlanValue> items = ItemsOf(first);
    std::ranges::reverse(items);
    return NewList(ValueKind::kList, std::move(items));
  }
  if (name == "enumerate") {
    std::vector<PlanValue> numbers;
    int64_t start =
        given.size() > 1 && IsWhole(given[1]) ? std::clamp<int64_t>(given[1].integer, -1'000'000, 1'000'000) : 0;
    for (const auto& [key, value] : arguments.named) start = std::clamp<int64_t>(value.integer, -1'000'000, 1'000'000);
    const size_t count = ItemsOf(first).size();
    for (size_t i = 0; i < count && ok(); ++i) Append(numbers, IntValue(start++));
    return Zip({NewList(ValueKind::kList, std::move(numbers)), first});
  }
  if (name == "sum") {
    PlanValue total = given.size() > 1 ? given[1] : IntValue(0);
    for (const PlanValue& item : ItemsOf(first)) {
      ValueOrReason result = BinaryOperator("+", total, item);
      if (const auto* reason = std::get_if<std::string>(&result)) return Fail(*reason);
      total = std::get<PlanValue>(std::move(result));
    }
    return total;
  }
  if (name == "any" || name == "all") {
    const std::vector<PlanValue> items = ItemsOf(first);
    return BoolValue(name == "any" ? std::ranges::any_of(items, IsTrue) : std::ranges::all_of(items, IsTrue));
  }
  if (name == "callable") {
    return BoolValue(first.Is(ValueKind::kClass) || first.Is(ValueKind::kFunction) || first.Is(ValueKind::kModule) ||
                     first.Is(ValueKind::kName));
  }
  if (name == "type") {
    if (first.Is(ValueKind::kModule) && !first.module->types.empty()) return AttributeOf(first, "__class__");
    PlanValue type;
    type.kind = ValueKind::kName;
    type.text = first.Is(ValueKind::kInt) ? "int" : first.Is(ValueKind::kList) ? "list" : "tuple";
    return type;
  }
  if (name == "cast" && given.size() == 2) return given[1];
  if (name == "isinstance" && given.size() == 2) return BoolValue(IsInstance(first, given[1]));
  const bool is_attribute = (name == "getattr" || name == "hasattr" || name == "setattr") && given.size() >= 2 &&
                            given[1].Is(ValueKind::kText) &&
                            (first.Is(ValueKind::kModule) || first.Is(ValueKind::kName));
  if (is_attribute && name == "setattr" && given.size() == 3 && first.Is(ValueKind::kModule)) {
    SetMember(*first.module, given[1].text, given[2]);
    return {};
  }
  if (is_attribute && first.Is(ValueKind::kModule)) {
    const bool has =
        first.module->members.contains(given[1].text) || FindFunction(first.module->types, given[1].text) != nullptr;
    if (name == "hasattr") return BoolValue(has);
    if (!has && given.size() == 3) return given[2];
  }
  if (is_attribute && name == "hasattr" && first.text.starts_with("torch")) {
    if (given[1].text == "scaled_dot_product_attention") return BoolValue(true);
    return Fail(fmt::format("whether {} has {} is not known here; write the branch that PyTorch takes", first.text,
                            checkpoint::Quoted(given[1].text)));
  }
  if (is_attribute && name == "getattr") return AttributeOf(first, given[1].text);
  return Fail(fmt::format("{} is not understood here with {} arguments", name, given.size()));
}

}  // namespace torchferry::plan
