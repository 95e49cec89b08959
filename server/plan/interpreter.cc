#include "server/plan/interpreter.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_parser.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
PlanValue Interpreter::Fail(std::string_view message) {
  if (status_.ok()) {
    status_ = base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}",
                               tree_.file == nullptr ? "" : PlaceOf(*tree_.file, at_), message);
  }
  return {};
}

bool Interpreter::Step(const PythonFile& file, const char* at) {
  if (!file.is_library && at != nullptr) at_ = at;
  if (++steps_ > max_steps_) {
    Fail(fmt::format("the constructors take more than {} steps up to here", max_steps_));
  }
  return ok();
}

bool Interpreter::Spend(size_t items) {
  items_ += items;
  if (items_ > layer_limits::kMaxItemsInAll) {
    Fail(fmt::format("the constructors copy or compare more than {} items up to here", layer_limits::kMaxItemsInAll));
  }
  return ok();
}

void Interpreter::Forgive() {
  if (steps_ <= max_steps_ && items_ <= layer_limits::kMaxItemsInAll &&
      tree_.nodes.size() < layer_limits::kMaxModules) {
    status_ = absl::OkStatus();
  }
}

ModuleNode& Interpreter::NewModule() {
  if (tree_.nodes.size() >= layer_limits::kMaxModules) {
    Fail(fmt::format("more than {} modules are created up to here", layer_limits::kMaxModules));
    return tree_.nodes.back();
  }
  ModuleNode& node = tree_.nodes.emplace_back();
  node.at = at_;
  return node;
}

PlanValue Interpreter::NewList(ValueKind kind, std::vector<PlanValue> items) {
  if (!Spend(items.size() + 1)) return {};
  if (items.size() > layer_limits::kMaxListItems) {
    return Fail(fmt::format("a list has more than {} items", layer_limits::kMaxListItems));
  }
  PlanValue list;
  list.kind = kind;
  list.items = &tree_.lists.emplace_back(std::move(items));
  return list;
}

void Interpreter::Append(std::vector<PlanValue>& items, PlanValue item) {
  if (!Spend(1)) return;
  if (items.size() >= layer_limits::kMaxListItems) {
    Fail(fmt::format("a list has more than {} items", layer_limits::kMaxListItems));
    return;
  }
  items.push_back(std::move(item));
}

std::vector<PlanValue> Interpreter::ItemsOf(const PlanValue& value) {
  std::vector<PlanValue> items;
  const bool is_module = value.Is(ValueKind::kModule) && value.module != nullptr;
  const size_t size = value.items != nullptr ? value.items->size() : is_module ? value.module->child_order.size() : 0;
  if (!Spend(size)) return {};
  if (value.IsList()) return *value.items;
  if (value.Is(ValueKind::kDict)) {
    for (size_t i = 0; i < value.items->size(); i += 2) items.push_back((*value.items)[i]);
  } else if (is_module && value.module->IsContainer()) {
    const bool is_dict = value.module->IsKindOf("ModuleDict");
    for (const std::string& name : value.module->child_order) {
      items.push_back(is_dict ? TextValue(name) : value.module->members.at(name));
    }
  } else if (value.Is(ValueKind::kText)) {
    for (const char c : value.text) items.push_back(TextValue(std::string(1, c)));
  } else {
    Fail(fmt::format("{} is nothing to go through; a list, a tuple, a range or an nn.ModuleList was expected",
                     KindName(value)));
  }
  return items;
}

const ParsedFunction* Interpreter::Parsed(const FunctionSource& function) {
  std::unique_ptr<ParsedFunction>& parsed = parsed_[&function];
  if (parsed != nullptr) return parsed.get();
  absl::StatusOr<ParsedFunction> read = ParseFunction(function);
  if (!read.ok()) {
    if (status_.ok()) status_ = read.status();
    parsed_.erase(&function);
    return nullptr;
  }
  parsed = std::make_unique<ParsedFunction>(*std::move(read));
  return parsed.get();
}

void Interpreter::RunBlock(const std::vector<Stmt>& block) {
  const Frame& frame = *frames_.back();
  for (const Stmt& stmt : block) {
    if (!ok() || frame.has_returned || frame.is_breaking || frame.is_continuing) return;
    RunStatement(stmt);
  }
}

void Interpreter::RunStatement(const Stmt& stmt) {
  Frame& frame = *frames_.back();
  if (!Step(*frame.file, stmt.at)) return;
  switch (stmt.kind) {
    case StmtKind::kPass:
      return;
    case StmtKind::kBreak:
      frame.is_breaking = true;
      return;
    case StmtKind::kContinue:
      frame.is_continuing = true;
      return;
    case StmtKind::kExpression:
      Eval(stmt.exprs[0]);
      return;
    case StmtKind::kAssign: {
      const PlanValue value = Eval(stmt.exprs.back());
      for (size_t i = 0; i + 1 < stmt.exprs.size() && ok(); ++i) Assign(stmt.exprs[i], value);
      return;
    }
    case StmtKind::kAugmented: {
      const PlanValue old = Eval(stmt.exprs[0]);
      const PlanValue more = Eval(stmt.exprs[1]);
      if (!ok()) return;
      if (old.Is(ValueKind::kList) && stmt.text == "+=") {
        for (PlanValue& item : ItemsOf(more)) Append(*old.items, std::move(item));
        return;
      }
      ValueOrReason result = BinaryOperator(stmt.text.substr(0, stmt.text.size() - 1), old, more);
      if (const auto* reason = std::get_if<std::string>(&result)) {
        Fail(*reason);
        return;
      }
      Assign(stmt.exprs[0], std::get<PlanValue>(std::move(result)));
      return;
    }
    case StmtKind::kIf:
      RunIf(stmt);
      return;
    case StmtKind::kFor:
      RunFor(stmt);
      return;
    case StmtKind::kReturn:
      if (!stmt.exprs.empty()) frame.result = Eval(stmt.exprs[0]);
      frame.has_returned = true;
      return;
    case StmtKind::kAssert: {
      const Expr& test = stmt.exprs[0].kind == ExprKind::kTuple ? stmt.exprs[0].parts[0] : stmt.exprs[0];
      const bool holds = IsTrue(Eval(test));
      if (ok() && !holds) {
        Fail(fmt::format("the constructor asserts {}, which is not so",
                         checkpoint::Quoted(std::string_view(test.at, test.end - test.at))));
      }
      return;
    }
    case StmtKind::kRaise: {
      std::string message;
      if (!stmt.exprs.empty() && stmt.exprs[0].kind == ExprKind::kCall && stmt.exprs[0].parts.size() > 1) {
        const PlanValue text = Eval(stmt.exprs[0].parts[1]);
        message = text.Is(ValueKind::kText) ? text.text : Shown(text);
      }
      Fail(fmt::format("the constructor refuses its arguments: {}",
                       frame.file->is_library ? message : checkpoint::Quoted(message)));
      return;
    }
  }
}

void Interpreter::RunIf(const Stmt& stmt) {
  for (size_t i = 0; i < stmt.exprs.size(); ++i) {
    const PlanValue test = Eval(stmt.exprs[i]);
    if (!ok()) return;
    if (test.Is(ValueKind::kTensor)) {
      Fail("a constructor cannot ask for a tensor's values");
      return;
    }
    if (IsTrue(test)) return RunBlock(stmt.blocks[i]);
  }
  if (stmt.blocks.size() > stmt.exprs.size()) RunBlock(stmt.blocks.back());
}

void Interpreter::RunFor(const Stmt& stmt) {
  Frame& frame = *frames_.back();
  for (PlanValue& item : ItemsOf(Eval(stmt.exprs[1]))) {
    if (!ok() || frame.has_returned || frame.is_breaking) break;
    Step(*frame.file, stmt.at);
    Assign(stmt.exprs[0], std::move(item));
    RunBlock(stmt.blocks[0]);
    frame.is_continuing = false;
  }
  frame.is_breaking = false;
}

void Interpreter::Assign(const Expr& target, PlanValue value) {
  Frame& frame = *frames_.back();
  if (target.kind == ExprKind::kName) {
    frame.names[std::string(target.text)] = std::move(value);
  } else if (target.kind == ExprKind::kTuple || target.kind == ExprKind::kList) {
    std::vector<PlanValue> items = ItemsOf(value);
    if (!ok()) return;
    if (items.size() != target.parts.size()) {
      Fail(fmt::format("{} names are assigned {} values", target.parts.size(), items.size()));
      return;
    }
    for (size_t i = 0; i < items.size(); ++i) Assign(target.parts[i], std::move(items[i]));
  } else if (target.kind == ExprKind::kAttribute) {
    const PlanValue object = Eval(target.parts[0]);
    if (!ok() || object.Is(ValueKind::kTensor)) return;  // what a tensor holds comes from the state_dict
    if (!object.Is(ValueKind::kModule)) {
      Fail(fmt::format("{} has no attributes that can be assigned", KindName(object)));
      return;
    }
    SetMember(*object.module, std::string(target.text), std::move(value));
  } else if (target.kind == ExprKind::kSubscript) {
    const PlanValue object = Eval(target.parts[0]);
    if (!ok() || object.Is(ValueKind::kTensor)) return;
    const PlanValue index = Eval(target.parts[1]);
    if (!ok()) return;
    if (object.Is(ValueKind::kModule) && object.module->IsContainer() &&
        (index.IsNumber() || index.Is(ValueKind::kText))) {
      SetMember(*object.module, index.Is(ValueKind::kText) ? index.text : std::to_string(index.integer),
                std::move(value));
    } else if (object.Is(ValueKind::kDict)) {
      if (!Spend(object.items->size())) return;
      for (size_t i = 0; i < object.items->size(); i += 2) {
        if (AreEqual((*object.items)[i], index)) {
          (*object.items)[i + 1] = std::move(value);
          return;
        }
      }
      Append(*object.items, index);
      Append(*object.items, std::move(value));
    } else if (object.Is(ValueKind::kList) && index.Is(ValueKind::kInt) && index.integer >= 0 &&
               static_cast<size_t>(index.integer) < object.items->size()) {
      (*object.items)[static_cast<size_t>(index.integer)] = std::move(value);
    } else {
      Fail(fmt::format("{} has no item {} to assign", KindName(object), Shown(index)));
    }
  } else {
    Fail("a name, an attribute or an item was expected to the left of =");
  }
}

void Interpreter::SetMember(ModuleNode& module, const std::string& name, PlanValue value) {
  if (name.empty() || name.size() > 200 || name.find('.') != std::string::npos || !checkpoint::IsCleanUtf8(name)) {
    Fail(fmt::format("{} is no name of a module's attribute", checkpoint::Quoted(name)));
    return;
  }
  std::vector<std::string>& children = module.child_order;
  if (!Spend(children.size() / 16)) return;
  const bool was_child = module.members.contains(name) && module.members[name].Is(ValueKind::kModule);
  if (was_child && !value.Is(ValueKind::kModule)) std::erase(children, name);
  if (!was_child && value.Is(ValueKind::kModule)) children.push_back(name);
  module.members[name] = std::move(value);
}

PlanValue Interpreter::Evaluate(const PythonFile& file, const Expr& expr) {
  Frame frame;
  frame.file = &file;
  frames_.push_back(&frame);
  PlanValue value = Eval(expr);
  frames_.pop_back();
  return value;
}

void Interpreter::RunConstant(const PythonFile& file, TokenRange tokens) {
  const absl::StatusOr<Stmt> stmt = ParseStatement(file, tokens);
  if (!stmt.ok() || stmt->kind != StmtKind::kAssign || stmt->exprs[0].kind != ExprKind::kName) return;
  PlanValue value = Evaluate(file, stmt->exprs.back());
  if (ok()) tree_.constants[std::string(stmt->exprs[0].text)] = std::move(value);
}

PlanValue Interpreter::Eval(const Expr& expr) {
  if (!Step(*frames_.back()->file, expr.at)) return {};
  if (depth_ >= layer_limits::kMaxEvaluationDepth) {
    return Fail(fmt::format("calls and expressions of the constructors nest more than {} deep",
                            layer_limits::kMaxEvaluationDepth));
  }
  ++depth_;
  PlanValue value = EvalKind(expr);
  --depth_;
  return ok() ? value : PlanValue();
}

PlanValue Interpreter::EvalKind(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kNumber: {
      const std::optional<PlanValue> number = NumberOf(expr.text);
      if (number.has_value()) return *number;
      return Fail(fmt::format("{} is no number of 64 bits", checkpoint::Quoted(expr.text)));
    }
    case ExprKind::kText:
      return TextValue(TextOf(expr.text));
    case ExprKind::kFormatted:
      return EvalFormatted(expr);
    case ExprKind::kName:
      return EvalName(expr);
    case ExprKind::kAttribute:
      return EvalAttribute(expr);
    case ExprKind::kCall:
      return EvalCall(expr);
    case ExprKind::kSubscript:
      return EvalSubscript(expr);
    case ExprKind::kList:
      return NewList(ValueKind::kList, EvalItems(expr.parts));
    case ExprKind::kTuple:
      return NewList(ValueKind::kTuple, EvalItems(expr.parts));
    case ExprKind::kDict:
      return NewList(ValueKind::kDict, EvalItems(expr.parts));
    case ExprKind::kComprehension:
      return EvalComprehension(expr);
    case ExprKind::kTernary: {
      const PlanValue test = Eval(expr.parts[0]);
      return Eval(expr.parts[IsTrue(test) ? 1 : 2]);
    }
    case ExprKind::kUnary: {
      ValueOrReason result = UnaryOperator(expr.text, Eval(expr.parts[0]));
      if (const auto* reason = std::get_if<std::string>(&result)) return Fail(*reason);
      return std::get<PlanValue>(std::move(result));
    }
    case ExprKind::kBinary:
      return EvalBoolean(expr);
    default:
      return Fail("this has no meaning here");
  }
}

PlanValue Interpreter::EvalBoolean(const Expr& expr) {
  PlanValue left = Eval(expr.parts[0]);
  if (!ok()) return {};
  if (expr.text == "and") return IsTrue(left) ? Eval(expr.parts[1]) : left;
  if (expr.text == "or") return IsTrue(left) ? left : Eval(expr.parts[1]);
  const PlanValue right = Eval(expr.parts[1]);
  if (!ok()) return {};
  if (expr.text == "+" && left.IsList() && right.IsList()) {
    std::vector<PlanValue> items = *left.items;
    items.insert(items.end(), right.items->begin(), right.items->end());
    return NewList(left.kind, std::move(items));
  }
  if (expr.text == "*" && left.IsList() != right.IsList() && (left.IsNumber() || right.IsNumber())) {
    const PlanValue& list = left.IsList() ? left : right;
    const int64_t count = left.IsList() ? right.integer : left.integer;
    std::vector<PlanValue> items;
    for (int64_t i = 0; i < count && ok() && !list.items->empty(); ++i) {
      for (const PlanValue& item : *list.items) Append(items, item);
    }
    return NewList(list.kind, std::move(items));
  }
  for (const PlanValue* value : std::initializer_list<const PlanValue*>{&left, &right}) {
    if (value->items != nullptr && !Spend(value->items->size())) return {};
  }
  if (right.Is(ValueKind::kModule) && right.module->IsContainer() && (expr.text == "in" || expr.text == "not in")) {
    const bool is_in = left.Is(ValueKind::kText) && right.module->members.contains(left.text);
    return BoolValue(is_in == (expr.text == "in"));
  }
  ValueOrReason result = BinaryOperator(expr.text, left, right);
  if (const auto* reason = std::get_if<std::string>(&result)) return Fail(*reason);
  return std::get<PlanValue>(std::move(result));
}

}  // namespace torchferry::plan
