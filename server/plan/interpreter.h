// The state of a run of constructors, and the code that evaluates expressions and calls. Its parts are in
// interpreter.cc (statements, expressions), interpreter_names.cc (names, attributes, items), interpreter_calls.cc
// (calls), interpreter_modules.cc (methods of modules) and interpreter_builtins.cc (functions of Python and torch). Not
// thread-safe.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/plan/layer_limits.h"
#include "server/plan/module_tree.h"
#include "server/plan/python_tree.h"

namespace torchferry::plan {

struct CallArguments {
  std::vector<PlanValue> positional;
  std::vector<std::pair<std::string, PlanValue>> named;
};

class Interpreter {
 public:
  explicit Interpreter(ModuleTree& tree, size_t max_steps = layer_limits::kMaxSteps)
      : tree_(tree), max_steps_(max_steps) {}

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  // Keeps the first error, with the current place in the user's file.
  PlanValue Fail(std::string_view message);
  // Forgets an error, unless a limit of steps, items or modules was exceeded.
  void Forgive();

  // Runs the constructor of `type` on a new module.
  PlanValue Construct(const ClassSource& type, CallArguments arguments, std::string spelled);
  // Runs `function`. Its first parameter is `self` where `module` is not null.
  PlanValue CallFunction(const FunctionSource& function, ModuleNode* module, CallArguments arguments);
  PlanValue Evaluate(const PythonFile& file, const Expr& expr);
  // Runs `NAME = expression` at the top level of `file`.
  void RunConstant(const PythonFile& file, TokenRange tokens);
  ModuleNode& NewModule();

  PlanValue NewList(ValueKind kind, std::vector<PlanValue> items);
  // The items of a list, a tuple, a text, a dict's keys, or a container's modules.
  std::vector<PlanValue> ItemsOf(const PlanValue& value);
  void Append(std::vector<PlanValue>& items, PlanValue item);

 private:
  struct Frame {
    const PythonFile* file = nullptr;
    ModuleNode* module = nullptr;
    const ClassSource* type = nullptr;  // the class that has the function
    std::map<std::string, PlanValue, std::less<>> names;
    bool has_returned = false;
    bool is_breaking = false;    // the loop ends
    bool is_continuing = false;  // the loop's current turn ends
    PlanValue result;
  };

  // --- interpreter.cc
  const ParsedFunction* Parsed(const FunctionSource& function);
  bool Step(const PythonFile& file, const char* at);
  // Counts work that is more than one step.
  bool Spend(size_t items);
  void RunBlock(const std::vector<Stmt>& block);
  void RunStatement(const Stmt& stmt);
  void RunIf(const Stmt& stmt);
  void RunFor(const Stmt& stmt);
  void Assign(const Expr& target, PlanValue value);
  void SetMember(ModuleNode& module, const std::string& name, PlanValue value);
  PlanValue Eval(const Expr& expr);
  PlanValue EvalKind(const Expr& expr);
  PlanValue EvalBoolean(const Expr& expr);

  // --- interpreter_names.cc
  PlanValue EvalName(const Expr& expr);
  PlanValue LookUp(const PythonFile& file, std::string_view name);
  PlanValue FindNamed(const std::string& path);
  PlanValue EvalAttribute(const Expr& expr);
  PlanValue AttributeOf(const PlanValue& value, std::string_view name);
  PlanValue ClassAttribute(const ClassSource& type, std::string_view name, bool& is_found);
  PlanValue EvalSubscript(const Expr& expr);
  PlanValue EvalComprehension(const Expr& expr);
  PlanValue EvalFormatted(const Expr& expr);
  std::vector<PlanValue> EvalItems(const std::vector<Expr>& parts);
  std::vector<const ClassSource*> TypesOf(const ClassSource& type);
  std::vector<const ClassSource*> FindTypes(const ClassSource& type);

  // --- interpreter_calls.cc
  PlanValue EvalCall(const Expr& expr);
  CallArguments EvalArguments(const Expr& expr);
  PlanValue Call(const PlanValue& callee, CallArguments arguments, std::string spelled);
  void Bind(const FunctionSource& function, const ParsedFunction& parsed, ModuleNode* module, CallArguments arguments,
            Frame& frame);
  void TakeFields(ModuleNode& node, CallArguments arguments);
  PlanValue CallMethod(const PlanValue& method, CallArguments arguments);
  PlanValue CallListMethod(const PlanValue& method, CallArguments arguments);

  // --- interpreter_modules.cc
  PlanValue CallModuleMethod(const PlanValue& method, CallArguments arguments);
  void CollectModules(const ModuleNode& module, const std::string& path, bool is_deep, bool is_named,
                      std::vector<PlanValue>& found, size_t depth);

  // --- interpreter_builtins.cc
  PlanValue CallNamed(const std::string& path, CallArguments arguments);
  PlanValue CallBuiltIn(const std::string& name, CallArguments arguments);
  PlanValue CallTorch(const std::string& path, CallArguments arguments);
  PlanValue CallMath(const std::string& name, const CallArguments& arguments);
  PlanValue Range(const std::vector<PlanValue>& bounds);
  PlanValue Zip(const std::vector<PlanValue>& lists);
  PlanValue Extreme(std::string_view op, const CallArguments& arguments);
  PlanValue ToNumber(const std::string& name, const PlanValue& value);
  bool IsInstance(const PlanValue& value, const PlanValue& type);
  PlanValue OrderedDict(const CallArguments& arguments);

  ModuleTree& tree_;
  const size_t max_steps_;
  absl::Status status_;
  const char* at_ = nullptr;  // the innermost expression in the user's file
  std::vector<Frame*> frames_;
  size_t depth_ = 0;
  size_t steps_ = 0;
  size_t items_ = 0;  // copied or compared in all
  std::map<const ClassSource*, std::vector<const ClassSource*>> types_;
  std::unordered_map<const FunctionSource*, std::unique_ptr<ParsedFunction>> parsed_;
};

}  // namespace torchferry::plan
