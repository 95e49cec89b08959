// The result of a forward.py's constructors: modules in modules. Each module has its tensors and the values that its
// forward pass reads. Plain data.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

struct ModuleNode;

enum class ValueKind {
  kNone,
  kBool,      // integer
  kInt,       // integer
  kFloat,     // real
  kText,      // text
  kList,      // items
  kTuple,     // items
  kDict,      // items: key, value, key, value
  kModule,    // module
  kTensor,    // items: the shape, if known; text is its kind: "parameter", "buffer", "tensor"
  kClass,     // type
  kFunction,  // function; module, if it is a method of one
  kName,      // text: "torch.float32", "nn.init.zeros_"
  kMethod,    // text: a built-in method of items or module, "append"
  kSuper,     // module, and type: the class whose bases are meant
  kPartial,   // items: a function, then a tuple and a dict of arguments
};

// The tree owns items and modules. Its files own functions and classes.
struct PlanValue {
  ValueKind kind = ValueKind::kNone;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PlanValue>* items = nullptr;
  ModuleNode* module = nullptr;
  const ClassSource* type = nullptr;
  const FunctionSource* function = nullptr;

  bool Is(ValueKind which) const { return kind == which; }
  bool IsNumber() const { return Is(ValueKind::kInt) || Is(ValueKind::kFloat) || Is(ValueKind::kBool); }
  bool IsList() const { return Is(ValueKind::kList) || Is(ValueKind::kTuple); }
};

// A module in the state in which its constructor left it.
struct ModuleNode {
  std::vector<const ClassSource*> types;  // its class, then that class's base and so on; empty: the file itself
  std::map<std::string, PlanValue> members;
  std::vector<std::string> child_order;  // members that are modules, in the order of their first assignment
  std::string spelled;                   // "nn.Conv2d(3, 64, 7)"
  const char* at = nullptr;              // place of the call in the text of the tree's file
  // The arguments of its constructor by name, with defaults.
  std::map<std::string, PlanValue, std::less<>> arguments;

  // Whether it is a layer of this project's library, and not of a class derived from one.
  bool IsLayer() const { return !types.empty() && types[0]->file->is_library; }
  // Whether its class or a base of it is `name`, "Conv2d", of this project's library.
  bool IsKindOf(std::string_view name) const {
    for (const ClassSource* type : types) {
      if (type->file->is_library && type->name == name) return true;
    }
    return false;
  }
  bool IsContainer() const { return IsKindOf("Sequential") || IsKindOf("ModuleList") || IsKindOf("ModuleDict"); }
};

struct ModuleTree {
  std::shared_ptr<const PythonFile> file;
  const ModuleNode* root = nullptr;
  // Names of the methods, of any class, that a forward pass may reach.
  std::vector<std::string> reachable;
  std::map<std::string, PlanValue> constants;  // of the file
  std::vector<std::string> decisions;          // a sentence each, for messages about the plan

  std::deque<ModuleNode> nodes;
  std::deque<std::vector<PlanValue>> lists;
};

// The function called `name` of the first of `types` that has it; null when none has it.
const FunctionSource* FindFunction(const std::vector<const ClassSource*>& types, std::string_view name);

}  // namespace torchferry::plan
