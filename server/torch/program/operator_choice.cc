#include "server/torch/program/operator_choice.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/plan/program_operators.h"
#include "server/torch/program/program_types.h"

namespace torchferry::libtorch {
namespace {

using SchemasByName = std::unordered_map<std::string, std::vector<const c10::FunctionSchema*>>;

// All that had a schema when the first program was read: libraries that are loaded later bring no form of an operator.
const SchemasByName& Forms() {
  static const auto* const kForms = [] {
    auto* forms = new SchemasByName;
    c10::Dispatcher& dispatcher = c10::Dispatcher::singleton();
    for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
      if (const auto handle = dispatcher.findSchema(name)) (*forms)[name.name].push_back(&handle->schema());
    }
    return forms;
  }();
  return *kForms;
}

bool IsKind(const c10::Argument& argument, c10::TypeKind kind) { return argument.type()->kind() == kind; }

// Where these have a constant without dimensions, LibTorch 2.11 and 2.15 make a Scalar of it before the code runs. It
// fails then if that is a bool (aten::add(Tensor, bool) is no operator).
constexpr std::string_view kMadeScalar[] = {"aten::add",  "aten::sub",  "aten::mul",  "aten::div",
                                            "aten::add_", "aten::sub_", "aten::mul_", "aten::div_"};

// What `argument` has to be for what is given: a number may stand for a Tensor, which is a Scalar then; a bool is no
// Scalar to TorchScript, and one made of an int would promote: as a tensor it is right. Nothing: it is as it should be.
std::optional<c10::TypeKind> Wanted(const std::string& op, const c10::Argument& argument,
                                    const checkpoint::GraphNode& node) {
  const checkpoint::GraphArgument* given = Given(node, argument.name());
  if (given == nullptr || !IsNumber(*given)) return std::nullopt;
  const bool is_bool =
      CategoryOf(*given) == NumberCategory::kBool && std::ranges::find(kMadeScalar, op) == std::end(kMadeScalar);
  if (IsKind(argument, c10::TypeKind::TensorType) && !is_bool) return c10::TypeKind::NumberType;
  if (IsKind(argument, c10::TypeKind::NumberType) && is_bool) return c10::TypeKind::TensorType;
  return std::nullopt;
}

// `form` is `schema`, but for the arguments of which another type is wanted.
bool IsWantedForm(const c10::FunctionSchema& form, const c10::FunctionSchema& schema,
                  const checkpoint::GraphNode& node) {
  if (form.arguments().size() != schema.arguments().size()) return false;
  for (size_t i = 0; i < form.arguments().size(); ++i) {
    const c10::Argument& wanted = schema.arguments()[i];
    const c10::Argument& found = form.arguments()[i];
    if (found.name() != wanted.name()) return false;
    const auto other = Wanted(schema.name(), wanted, node);
    if (other.has_value() ? !IsKind(found, *other) : *found.type() != *wanted.type()) return false;
  }
  return true;
}

}  // namespace

c10::OperatorName OperatorNameOf(const std::string& target) {
  const auto name = plan::ParseOperator(target);
  return name.has_value() ? c10::OperatorName(name->name, name->overload) : c10::OperatorName("", "");
}

const c10::FunctionSchema& ChooseSchema(const c10::OperatorName& name, const checkpoint::GraphNode& node) {
  const auto handle = c10::Dispatcher::singleton().findSchema(name);
  if (!handle.has_value()) throw std::invalid_argument("this LibTorch has no such operator");
  const c10::FunctionSchema& schema = handle->schema();
  const bool may_differ = std::ranges::any_of(
      schema.arguments(), [&](const c10::Argument& argument) { return Wanted(name.name, argument, node).has_value(); });
  const auto forms = Forms().find(name.name);
  if (!may_differ || forms == Forms().end()) return schema;
  for (const c10::FunctionSchema* form : forms->second) {
    if (IsWantedForm(*form, schema, node)) return *form;
  }
  return schema;
}

}  // namespace torchferry::libtorch
