#include <algorithm>
#include <array>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_library.h"
#include "server/plan/layer_limits.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

// As it was written, on one line.
std::string SpelledAs(const Expr& expr) {
  constexpr size_t kMaxShown = 160;
  std::string spelled;
  const char* end = std::min(expr.end, expr.at + 10 * kMaxShown);
  for (const char* at = expr.at; at < end && spelled.size() < kMaxShown; ++at) {
    const bool is_space = *at == ' ' || *at == '\n' || *at == '\t' || *at == '\r';
    if (!is_space) spelled += *at;
    if (is_space && !spelled.empty() && spelled.back() != ' ' && spelled.back() != '(') spelled += ' ';
  }
  return spelled;
}

// Whether calls of it only give first values to weights, which come from the state_dict.
bool OnlyGivesFirstValues(std::string_view path) {
  return path.starts_with("torch.nn.init.") || path == "torch.nn.Module.__init__" || path == "torch.manual_seed" ||
         path == "print" || path.starts_with("warnings.") || path.starts_with("logging.");
}

}  // namespace

PlanValue Interpreter::EvalCall(const Expr& expr) {
  const PlanValue callee = Eval(expr.parts[0]);
  if (!ok()) return {};
  if (callee.Is(ValueKind::kName) && callee.text == "super") {
    PlanValue super;
    super.kind = ValueKind::kSuper;
    super.module = frames_.back()->module;
    super.type = frames_.back()->type;
    return super.module == nullptr ? Fail("super() is for methods") : super;
  }
  // Their arguments may be what no constructor computes.
  if (callee.Is(ValueKind::kName) && OnlyGivesFirstValues(callee.text)) return {};
  CallArguments arguments = EvalArguments(expr);
  if (!ok()) return {};
  if (!frames_.back()->file->is_library) at_ = expr.at;
  return Call(callee, std::move(arguments), SpelledAs(expr));
}

CallArguments Interpreter::EvalArguments(const Expr& expr) {
  CallArguments arguments;
  for (size_t i = 1; i < expr.parts.size() && ok(); ++i) {
    const Expr& part = expr.parts[i];
    if (part.kind == ExprKind::kKeyword) {
      arguments.named.emplace_back(std::string(part.text), Eval(part.parts[0]));
    } else if (part.kind == ExprKind::kStar) {
      for (PlanValue& item : ItemsOf(Eval(part.parts[0]))) Append(arguments.positional, std::move(item));
    } else if (part.kind == ExprKind::kDoubleStar) {
      const PlanValue dict = Eval(part.parts[0]);
      if (ok() && !dict.Is(ValueKind::kDict)) Fail("a dict was expected after **");
      for (size_t j = 0; ok() && j < dict.items->size(); j += 2) {
        arguments.named.emplace_back((*dict.items)[j].text, (*dict.items)[j + 1]);
      }
    } else {
      arguments.positional.push_back(Eval(part));
    }
  }
  return arguments;
}

PlanValue Interpreter::Call(const PlanValue& callee, CallArguments arguments, std::string spelled) {
  switch (callee.kind) {
    case ValueKind::kClass:
      return Construct(*callee.type, std::move(arguments), std::move(spelled));
    case ValueKind::kFunction:
      return CallFunction(*callee.function, callee.module, std::move(arguments));
    case ValueKind::kName:
      return CallNamed(callee.text, std::move(arguments));
    case ValueKind::kMethod:
      return CallMethod(callee, std::move(arguments));
    case ValueKind::kPartial: {
      const std::vector<PlanValue>& bound = *callee.items;
      std::vector<PlanValue> positional = *bound[1].items;
      for (PlanValue& item : arguments.positional) positional.push_back(std::move(item));
      arguments.positional = std::move(positional);
      for (size_t i = 0; i < bound[2].items->size(); i += 2) {
        const std::string& name = (*bound[2].items)[i].text;
        const bool is_given =
            std::ranges::any_of(arguments.named, [&](const auto& each) { return each.first == name; });
        if (!is_given) arguments.named.emplace_back(name, (*bound[2].items)[i + 1]);
      }
      const PlanValue inner = bound[0];
      if (inner.Is(ValueKind::kPartial)) return Fail("a partial function of a partial function is not understood");
      return Call(inner, std::move(arguments), std::move(spelled));
    }
    case ValueKind::kModule:
      return Fail(fmt::format("{} is called in a constructor, which makes layers and runs none", KindName(callee)));
    default:
      return Fail(fmt::format("{} cannot be called", KindName(callee)));
  }
}

PlanValue Interpreter::Construct(const ClassSource& type, CallArguments arguments, std::string spelled) {
  ModuleNode& node = NewModule();
  if (!ok()) return {};
  node.types = TypesOf(type);
  node.spelled = std::move(spelled);
  if (!ok()) return {};
  PlanValue module;
  module.kind = ValueKind::kModule;
  module.module = &node;
  if (const FunctionSource* constructor = FindFunction(node.types, "__init__")) {
    CallFunction(*constructor, &node, std::move(arguments));
  } else {
    TakeFields(node, std::move(arguments));
  }
  // What the class itself says, `expansion = 4`, is there to be read as the module's own.
  for (const ClassSource* each : node.types) {
    for (const TokenRange tokens : each->assignments) {
      const std::string name(each->file->tokens[tokens.begin].text);
      bool is_found = false;
      if (ok() && !node.members.contains(name)) {
        PlanValue value = ClassAttribute(*each, name, is_found);
        if (is_found) SetMember(node, name, std::move(value));
      }
    }
  }
  return module;
}

// Of a class without a constructor, as a dataclass has one: the constants of the class are its parameters.
void Interpreter::TakeFields(ModuleNode& node, CallArguments arguments) {
  const ClassSource& type = *node.types[0];
  std::vector<std::string> fields;
  for (const TokenRange tokens : type.assignments) fields.emplace_back(type.file->tokens[tokens.begin].text);
  if (arguments.positional.size() > fields.size()) {
    Fail(fmt::format("the class {} has no __init__ and {} constants, and {} arguments are given", type.name,
                     fields.size(), arguments.positional.size()));
    return;
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    SetMember(node, fields[i], std::move(arguments.positional[i]));
  }
  for (auto& [name, value] : arguments.named) {
    if (std::ranges::find(fields, name) == fields.end()) {
      Fail(fmt::format("the class {} has no __init__ and no constant {}", type.name, checkpoint::Quoted(name)));
      return;
    }
    SetMember(node, name, std::move(value));
  }
}

PlanValue Interpreter::CallFunction(const FunctionSource& function, ModuleNode* module, CallArguments arguments) {
  if (frames_.size() >= layer_limits::kMaxCalls) {
    return Fail(fmt::format("calls of constructors and functions nest more than {} deep", layer_limits::kMaxCalls));
  }
  const ParsedFunction* parsed = Parsed(function);
  if (parsed == nullptr) return {};
  Frame frame;
  frame.file = function.file;
  frame.module = module;
  if (module != nullptr) {
    for (const ClassSource* type : module->types) {
      const auto found = type->functions.find(function.name);
      if (found != type->functions.end() && &found->second == &function) frame.type = type;
    }
  }
  Bind(function, *parsed, module, std::move(arguments), frame);
  if (!ok()) return {};
  const bool is_constructor = module != nullptr && function.name == "__init__" && !module->types.empty();
  if (is_constructor && function.file->is_library) {
    for (const auto& [name, value] : frame.names) {
      if (name != "self" && !value.Is(ValueKind::kModule)) module->members[name] = value;
    }
  }
  if (is_constructor && module->arguments.empty() && frame.type == module->types[0]) {
    module->arguments = frame.names;
    module->arguments.erase("self");
  }
  frames_.push_back(&frame);
  RunBlock(parsed->body);
  frames_.pop_back();
  return ok() ? std::move(frame.result) : PlanValue();
}

void Interpreter::Bind(const FunctionSource& function, const ParsedFunction& parsed, ModuleNode* module,
                       CallArguments arguments, Frame& frame) {
  const std::string what = function.name == "__init__" && module != nullptr && !module->types.empty()
                               ? (function.file->is_library ? "nn." : "") + module->types[0]->name
                               : function.name;
  size_t next = 0;  // of the positional arguments
  bool is_first = true;
  for (const Parameter& parameter : parsed.parameters) {
    const std::string name(parameter.name);
    PlanValue value;
    if (is_first && module != nullptr) {
      value.kind = ValueKind::kModule;
      value.module = module;
    } else if (parameter.kind == ExprKind::kStar) {
      std::vector<PlanValue> rest(arguments.positional.begin() + static_cast<int64_t>(next),
                                  arguments.positional.end());
      next = arguments.positional.size();
      value = NewList(ValueKind::kTuple, std::move(rest));
    } else if (parameter.kind == ExprKind::kDoubleStar) {
      std::vector<PlanValue> rest;
      for (auto& [key, each] : arguments.named) {
        rest.push_back(TextValue(key));
        rest.push_back(std::move(each));
      }
      arguments.named.clear();
      value = NewList(ValueKind::kDict, std::move(rest));
    } else {
      const auto named = std::ranges::find_if(arguments.named, [&](const auto& each) { return each.first == name; });
      const bool is_positional = next < arguments.positional.size() && !parameter.is_keyword_only;
      if (is_positional && named != arguments.named.end()) {
        Fail(fmt::format("{} is given {} twice", what, name));
      } else if (is_positional) {
        value = arguments.positional[next++];
      } else if (named != arguments.named.end()) {
        value = std::move(named->second);
        arguments.named.erase(named);
      } else if (parameter.has_default) {
        value = Evaluate(*function.file, parameter.value);
      } else {
        Fail(fmt::format("{} needs {}; write {}=…", what, name, name));
      }
    }
    is_first = false;
    frame.names[name] = std::move(value);
    if (!ok()) return;
  }
  if (next < arguments.positional.size()) {
    Fail(fmt::format("{} takes {} arguments, and {} are given", what, next, arguments.positional.size()));
  } else if (!arguments.named.empty()) {
    Fail(fmt::format("{} has no parameter {}", what, checkpoint::Quoted(arguments.named[0].first)));
  }
}

PlanValue Interpreter::CallMethod(const PlanValue& method, CallArguments arguments) {
  const auto kind = static_cast<ValueKind>(method.integer);
  if (kind == ValueKind::kSuper) {
    const std::vector<const ClassSource*>& types = method.module->types;
    const auto here = std::ranges::find(types, method.type);
    const std::vector<const ClassSource*> bases(here == types.end() ? types.end() : here + 1, types.end());
    const FunctionSource* function = FindFunction(bases, method.text);
    if (function != nullptr) return CallFunction(*function, method.module, std::move(arguments));
    if (method.text == "__init__") return {};
    return CallModuleMethod(method, std::move(arguments));
  }
  if (kind == ValueKind::kModule) return CallModuleMethod(method, std::move(arguments));
  if (kind == ValueKind::kTensor) {
    PlanValue tensor = method;
    tensor.kind = ValueKind::kTensor;
    tensor.text = "tensor";
    if (method.text == "size" && method.items != nullptr) {
      if (arguments.positional.empty()) return NewList(ValueKind::kTuple, *method.items);
      const PlanValue& index = arguments.positional[0];
      if (index.Is(ValueKind::kInt) && index.integer >= 0 &&
          index.integer < static_cast<int64_t>(method.items->size())) {
        return (*method.items)[static_cast<size_t>(index.integer)];
      }
    }
    constexpr std::array<std::string_view, 6> kSameShape = {"clone", "detach", "float", "half", "contiguous", "to"};
    const bool keeps_shape =
        method.text.ends_with("_") || std::ranges::find(kSameShape, method.text) != kSameShape.end();
    if (!keeps_shape) tensor.items = nullptr;
    return tensor;
  }
  return CallListMethod(method, std::move(arguments));
}

PlanValue Interpreter::CallListMethod(const PlanValue& method, CallArguments arguments) {
  const auto kind = static_cast<ValueKind>(method.integer);
  const std::vector<PlanValue>& given = arguments.positional;
  if (kind == ValueKind::kList && given.size() == 1 && (method.text == "append" || method.text == "extend")) {
    const std::vector<PlanValue> more = method.text == "append" ? given : ItemsOf(given[0]);
    for (const PlanValue& item : more) Append(*method.items, item);
    return {};
  }
  if (kind == ValueKind::kList && method.text == "insert" && given.size() == 2 && given[0].Is(ValueKind::kInt)) {
    const auto size = static_cast<int64_t>(method.items->size());
    const int64_t at = std::clamp<int64_t>(given[0].integer < 0 ? given[0].integer + size : given[0].integer, 0, size);
    Append(*method.items, given[1]);
    if (ok()) std::rotate(method.items->begin() + at, method.items->end() - 1, method.items->end());
    return {};
  }
  if (method.items != nullptr && !Spend(method.items->size() / 16)) return {};
  if (method.items != nullptr && method.text == "index" && given.size() == 1) {
    for (size_t i = 0; i < method.items->size(); ++i) {
      if (AreEqual((*method.items)[i], given[0])) return IntValue(static_cast<int64_t>(i));
    }
    return Fail(fmt::format("{} is not in the list", Shown(given[0])));
  }
  if (kind == ValueKind::kList && method.text == "pop" && !method.items->empty() && given.empty()) {
    PlanValue last = method.items->back();
    method.items->pop_back();
    return last;
  }
  if (kind == ValueKind::kDict) {
    std::vector<PlanValue> found;
    for (size_t i = 0; i < method.items->size(); i += 2) {
      const PlanValue& key = (*method.items)[i];
      const PlanValue& value = (*method.items)[i + 1];
      if (method.text == "items") found.push_back(NewList(ValueKind::kTuple, {key, value}));
      if (method.text == "keys") found.push_back(key);
      if (method.text == "values") found.push_back(value);
      if (method.text == "get" && !given.empty() && AreEqual(key, given[0])) return value;
    }
    if (method.text == "get" && !given.empty()) return given.size() > 1 ? given[1] : PlanValue();
    if (method.text == "items" || method.text == "keys" || method.text == "values") {
      return NewList(ValueKind::kList, std::move(found));
    }
  }
  return Fail(
      fmt::format("the method {} is not known here; a constructor has a list's append, extend, insert and pop, "
                  "and a dict's items, keys, values and get",
                  checkpoint::Quoted(method.text)));
}

}  // namespace torchferry::plan
