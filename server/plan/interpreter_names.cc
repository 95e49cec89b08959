// Names, attributes and items.
#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_library.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_parser.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

PlanValue Named(std::string path) {
  PlanValue value;
  value.kind = ValueKind::kName;
  value.text = std::move(path);
  return value;
}

PlanValue ClassValue(const ClassSource& type) {
  PlanValue value;
  value.kind = ValueKind::kClass;
  value.type = &type;
  return value;
}

PlanValue FunctionValue(const FunctionSource& function, ModuleNode* module) {
  PlanValue value;
  value.kind = ValueKind::kFunction;
  value.function = &function;
  value.module = function.decorator == "staticmethod" ? nullptr : module;
  return value;
}

// Name in a file without an import → what it stands for.
const std::map<std::string_view, std::string_view>& KnownNames() {
  static const std::map<std::string_view, std::string_view> names = {{"torch", "torch"},
                                                                     {"nn", "torch.nn"},
                                                                     {"F", "torch.nn.functional"},
                                                                     {"math", "math"},
                                                                     {"copy", "copy"},
                                                                     {"partial", "functools.partial"},
                                                                     {"OrderedDict", "collections.OrderedDict"}};
  return names;
}

}  // namespace

std::vector<PlanValue> Interpreter::EvalItems(const std::vector<Expr>& parts) {
  std::vector<PlanValue> items;
  for (const Expr& part : parts) {
    if (part.kind == ExprKind::kStar) {
      for (PlanValue& item : ItemsOf(Eval(part.parts[0]))) Append(items, std::move(item));
    } else {
      items.push_back(Eval(part));
    }
    if (!ok()) break;
  }
  return items;
}

PlanValue Interpreter::EvalName(const Expr& expr) {
  const Frame& frame = *frames_.back();
  if (const auto local = frame.names.find(expr.text); local != frame.names.end()) return local->second;
  return LookUp(*frame.file, expr.text);
}

PlanValue Interpreter::LookUp(const PythonFile& file, std::string_view name) {
  if (name == "True" || name == "False") return BoolValue(name == "True");
  if (name == "None") return {};
  if (const auto type = file.classes.find(name); type != file.classes.end()) return ClassValue(type->second);
  if (const auto function = file.functions.find(name); function != file.functions.end()) {
    return FunctionValue(function->second, nullptr);
  }
  const std::string key(name);
  if (const auto constant = tree_.constants.find(key); constant != tree_.constants.end() && !file.is_library) {
    return constant->second;
  }
  if (const auto import = file.imports.find(key); import != file.imports.end()) return FindNamed(import->second);
  if (const auto known = KnownNames().find(name); known != KnownNames().end()) {
    return FindNamed(std::string(known->second));
  }
  if (IsBuiltIn(name)) return Named(key);
  return Fail(
      fmt::format("{} is not defined before it is used; a constructor knows its parameters and variables, this "
                  "file's classes, functions and constants, nn, torch and math",
                  checkpoint::Quoted(name)));
}

PlanValue Interpreter::FindNamed(const std::string& path) {
  if (path == "math.pi") return FloatValue(3.14159265358979323846);
  if (path == "math.e") return FloatValue(2.71828182845904523536);
  constexpr std::string_view kLayers = "torch.nn.";
  if (path.starts_with(kLayers)) {
    const std::string_view name = std::string_view(path).substr(path.rfind('.') + 1);
    const bool is_layer = path.find('.', kLayers.size()) == std::string::npos || path.starts_with("torch.nn.modules.");
    const auto type = LayerLibrary().classes.find(name);
    if (is_layer && type != LayerLibrary().classes.end()) return ClassValue(type->second);
  }
  return Named(path);
}

PlanValue Interpreter::EvalAttribute(const Expr& expr) {
  const PlanValue object = Eval(expr.parts[0]);
  return ok() ? AttributeOf(object, expr.text) : PlanValue();
}

PlanValue Interpreter::ClassAttribute(const ClassSource& type, std::string_view name, bool& is_found) {
  is_found = true;
  for (const ClassSource* each : TypesOf(type)) {
    if (!Spend(each->assignments.size())) return {};
    for (const TokenRange tokens : each->assignments) {
      if (each->file->tokens[tokens.begin].text != name) continue;
      if (!Spend(tokens.end - tokens.begin)) return {};
      const absl::StatusOr<Stmt> stmt = ParseStatement(*each->file, tokens);
      if (!stmt.ok()) {
        if (status_.ok()) status_ = stmt.status();
        return {};
      }
      if (stmt->kind == StmtKind::kAssign) return Evaluate(*each->file, stmt->exprs.back());
    }
    if (!ok()) return {};
  }
  is_found = false;
  return {};
}

PlanValue Interpreter::AttributeOf(const PlanValue& value, std::string_view name) {
  const auto method = [&] {
    PlanValue result = value;
    result.kind = ValueKind::kMethod;
    result.integer = static_cast<int64_t>(value.kind);
    result.text = std::string(name);
    return result;
  };
  if (value.Is(ValueKind::kName)) return FindNamed(value.text + "." + std::string(name));
  if (value.Is(ValueKind::kTensor)) {
    if (name == "shape" && value.items != nullptr) return NewList(ValueKind::kTuple, *value.items);
    return name == "data" ? value : method();
  }
  if (value.Is(ValueKind::kSuper)) {
    PlanValue result = method();
    result.type = value.type;
    return result;
  }
  if (value.Is(ValueKind::kModule)) {
    ModuleNode& module = *value.module;
    if (const auto found = module.members.find(std::string(name)); found != module.members.end()) return found->second;
    if (name == "training") return BoolValue(false);
    if (const FunctionSource* function = FindFunction(module.types, name)) return FunctionValue(*function, &module);
    bool is_found = false;
    if (!module.types.empty()) {
      PlanValue of_class = ClassAttribute(*module.types[0], name, is_found);
      if (is_found) return of_class;
    }
    if (module.types.empty() && tree_.file->functions.contains(name)) {
      return FunctionValue(tree_.file->functions.find(name)->second, &module);
    }
    if (name == "__class__" && !module.types.empty()) return ClassValue(*module.types[0]);
    if (IsModuleMethod(name)) return method();
    return Fail(fmt::format("{} has no attribute {}", KindName(value), checkpoint::Quoted(name)));
  }
  if (value.Is(ValueKind::kClass)) {
    bool is_found = false;
    PlanValue of_class = ClassAttribute(*value.type, name, is_found);
    if (is_found) return of_class;
    if (name == "__name__") return TextValue(value.type->name);
    if (const FunctionSource* function = FindFunction(TypesOf(*value.type), name))
      return FunctionValue(*function, nullptr);
    if (name == "__init__") return Named("torch.nn.Module.__init__");
    return Fail(fmt::format("the class {} has no attribute {}", value.type->name, checkpoint::Quoted(name)));
  }
  return method();
}

PlanValue Interpreter::EvalSubscript(const Expr& expr) {
  PlanValue object = Eval(expr.parts[0]);
  if (!ok()) return {};
  if (object.Is(ValueKind::kName) || object.Is(ValueKind::kClass)) return object;  // Optional[int]
  if (object.Is(ValueKind::kTensor)) {
    PlanValue part = object;
    part.items = nullptr;
    return part;
  }
  if (expr.parts[1].kind == ExprKind::kSlice) {
    const std::vector<PlanValue> items = ItemsOf(object);
    const auto bound = [&](const Expr& part, int64_t otherwise) {
      if (part.kind == ExprKind::kMissing) return otherwise;
      const PlanValue value = Eval(part);
      if (!value.IsNumber() || value.Is(ValueKind::kFloat)) Fail("a whole number was expected in a slice");
      return value.integer;
    };
    const auto size = static_cast<int64_t>(items.size());
    const int64_t step = bound(expr.parts[1].parts[2], 1);
    if (ok() && step != 1 && step != -1) return Fail("a slice of a constructor has the step 1 or -1");
    int64_t begin = bound(expr.parts[1].parts[0], 0);
    int64_t end = bound(expr.parts[1].parts[1], size);
    if (!ok()) return {};
    const auto clamped = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
    begin = clamped(begin);
    end = std::max(clamped(end), begin);
    std::vector<PlanValue> part(items.begin() + begin, items.begin() + end);
    if (step == -1) std::ranges::reverse(part);
    if (object.Is(ValueKind::kText)) {
      std::string text;
      for (const PlanValue& c : part) text += c.text;
      return TextValue(std::move(text));
    }
    return NewList(object.Is(ValueKind::kTuple) ? ValueKind::kTuple : ValueKind::kList, std::move(part));
  }
  const PlanValue index = Eval(expr.parts[1]);
  if (!ok()) return {};
  if (object.Is(ValueKind::kDict)) {
    if (!Spend(object.items->size())) return {};
    for (size_t i = 0; i < object.items->size(); i += 2) {
      if (AreEqual((*object.items)[i], index)) return (*object.items)[i + 1];
    }
    return Fail(fmt::format("the dict has no {}", Shown(index)));
  }
  if (object.Is(ValueKind::kModule) && index.Is(ValueKind::kText)) return AttributeOf(object, index.text);
  const std::vector<PlanValue> items = ItemsOf(object);
  if (!ok()) return {};
  const auto size = static_cast<int64_t>(items.size());
  const int64_t at = index.integer < 0 ? index.integer + size : index.integer;
  if (!index.IsNumber() || index.Is(ValueKind::kFloat) || at < 0 || at >= size) {
    return Fail(fmt::format("{} has {} items, and no item {}", KindName(object), size, Shown(index)));
  }
  return items[static_cast<size_t>(at)];
}

PlanValue Interpreter::EvalComprehension(const Expr& expr) {
  std::vector<PlanValue> items;
  for (PlanValue& item : ItemsOf(Eval(expr.parts[2]))) {
    Assign(expr.parts[1], std::move(item));
    if (!ok()) return {};
    if (expr.parts[3].kind != ExprKind::kMissing && !IsTrue(Eval(expr.parts[3]))) continue;
    Append(items, Eval(expr.parts[0]));
  }
  return NewList(ValueKind::kList, std::move(items));
}

PlanValue Interpreter::EvalFormatted(const Expr& expr) {
  const std::string_view quoted = expr.text;
  std::string text;
  for (size_t at = 1; at + 1 < quoted.size() && ok();) {
    if (quoted[at] != '{') {
      text += quoted[at++];
      continue;
    }
    const size_t end = quoted.find('}', at);
    if (end == std::string_view::npos) break;
    const std::string_view inside = quoted.substr(at + 1, end - at - 1);
    at = end + 1;
    const absl::StatusOr<Expr> parsed =
        ParseInside(*frames_.back()->file, inside.substr(0, inside.find_first_of(":!")));
    if (!parsed.ok()) {
      if (status_.ok()) status_ = parsed.status();
      return {};
    }
    const PlanValue value = Eval(*parsed);
    text += value.Is(ValueKind::kText) ? value.text : Shown(value);
    if (text.size() > layer_limits::kMaxTextBytes) {
      return Fail(fmt::format("a text of more than {} bytes", layer_limits::kMaxTextBytes));
    }
  }
  return TextValue(std::move(text));
}

std::vector<const ClassSource*> Interpreter::TypesOf(const ClassSource& type) {
  const auto known = types_.find(&type);
  if (known != types_.end()) return known->second;
  std::vector<const ClassSource*> types = FindTypes(type);
  if (ok()) types_[&type] = types;
  return types;
}

std::vector<const ClassSource*> Interpreter::FindTypes(const ClassSource& type) {
  std::vector<const ClassSource*> types;
  for (const ClassSource* each = &type; each != nullptr && ok();) {
    types.push_back(each);
    if (types.size() > layer_limits::kMaxCalls) {
      Fail(fmt::format("the class {} has more than {} bases, or is its own", checkpoint::Quoted(type.name),
                       layer_limits::kMaxCalls));
      break;
    }
    const absl::StatusOr<std::vector<Expr>> bases = ParseExpressions(*each->file, each->bases);
    if (!bases.ok()) {
      if (status_.ok()) status_ = bases.status();
      break;
    }
    const ClassSource* next = nullptr;
    for (const Expr& base : *bases) {
      const PlanValue value = Evaluate(*each->file, base);
      if (ok() && value.Is(ValueKind::kClass) && next == nullptr) next = value.type;
    }
    each = next;
  }
  return types;
}

}  // namespace torchferry::plan
