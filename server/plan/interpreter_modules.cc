// Methods that every nn.Module has.
#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_library.h"
#include "server/plan/layer_limits.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {

PlanValue Interpreter::CallModuleMethod(const PlanValue& method, CallArguments arguments) {
  ModuleNode& module = *method.module;
  for (auto& [name, value] : arguments.named) {
    if (name != "persistent") arguments.positional.push_back(std::move(value));
  }
  const std::vector<PlanValue>& given = arguments.positional;
  const auto add = [&](const PlanValue& item) { SetMember(module, std::to_string(module.child_order.size()), item); };
  PlanValue self;
  self.kind = ValueKind::kModule;
  self.module = &module;
  if (method.text == "append" && given.size() == 1) {
    add(given[0]);
    return self;
  }
  if (method.text == "extend" && given.size() == 1) {
    for (const PlanValue& item : ItemsOf(given[0])) add(item);
    return self;
  }
  if (method.text == "insert" && given.size() == 2 && given[0].Is(ValueKind::kInt)) {
    add(given[1]);
    if (!ok() || !Spend(module.child_order.size())) return {};
    const auto last = static_cast<int64_t>(module.child_order.size()) - 1;
    const int64_t wanted = given[0].integer < 0 ? given[0].integer + last : given[0].integer;
    for (int64_t i = last; i > std::clamp<int64_t>(wanted, 0, last); --i) {
      std::swap(module.members[std::to_string(i)], module.members[std::to_string(i - 1)]);
    }
    return {};
  }
  const bool adds = method.text == "add_module" || method.text == "register_module";
  const bool registers = method.text == "register_buffer" || method.text == "register_parameter";
  if ((adds || registers) && given.size() >= 2 && given[0].Is(ValueKind::kText)) {
    PlanValue value = given[1];
    if (registers && value.Is(ValueKind::kTensor)) {
      value.text = method.text == "register_buffer" ? "buffer" : "parameter";
      const bool is_persistent =
          std::ranges::none_of(arguments.named, [](const auto& each) { return each.first == "persistent"; }) &&
          (given.size() < 3 || IsTrue(given[2]));
      for (const auto& [name, each] : arguments.named) {
        if (name == "persistent" && IsTrue(each)) return SetMember(module, given[0].text, value), PlanValue();
      }
      if (!is_persistent) value.text = "temporary";
    }
    SetMember(module, given[0].text, std::move(value));
    return {};
  }
  const bool is_named = method.text == "named_modules" || method.text == "named_children";
  if (is_named || method.text == "modules" || method.text == "children") {
    const bool is_deep = method.text.ends_with("modules");
    std::vector<PlanValue> found;
    if (is_deep) found.push_back(is_named ? NewList(ValueKind::kTuple, {TextValue(""), self}) : self);
    CollectModules(module, "", is_deep, is_named, found, 0);
    return NewList(ValueKind::kList, std::move(found));
  }
  if (method.text == "parameters" || method.text == "named_parameters" || method.text == "buffers") {
    return NewList(ValueKind::kList, {});  // loops over them give first values
  }
  if (method.text == "items" || method.text == "keys" || method.text == "values") {
    std::vector<PlanValue> found;
    for (const std::string& name : module.child_order) {
      const PlanValue& child = module.members.at(name);
      if (method.text == "items") found.push_back(NewList(ValueKind::kTuple, {TextValue(name), child}));
      if (method.text != "items") found.push_back(method.text == "keys" ? TextValue(name) : child);
    }
    return NewList(ValueKind::kList, std::move(found));
  }
  if (IsModuleMethod(method.text)) return self;  // apply, eval, to, half: nothing that the state_dict does not say
  return Fail(fmt::format("{} has no method {}", KindName(self), checkpoint::Quoted(method.text)));
}

void Interpreter::CollectModules(const ModuleNode& module, const std::string& path, bool is_deep, bool is_named,
                                 std::vector<PlanValue>& found, size_t depth) {
  if (depth > layer_limits::kMaxModuleDepth) {
    Fail(fmt::format("modules nest more than {} deep, or hold themselves", layer_limits::kMaxModuleDepth));
    return;
  }
  for (const std::string& name : module.child_order) {
    if (!ok()) return;
    const PlanValue& child = module.members.at(name);
    const std::string child_path = path.empty() ? name : fmt::format("{}.{}", path, name);
    Append(found, is_named ? NewList(ValueKind::kTuple, {TextValue(child_path), child}) : child);
    if (is_deep) CollectModules(*child.module, child_path, is_deep, is_named, found, depth + 1);
  }
}

}  // namespace torchferry::plan
