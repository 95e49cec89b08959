#include "server/torch/load/changed_meaning.h"

#include <fmt/format.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::NamedValue;
using Arguments = at::ArrayRef<NamedValue>;

// They were refused: nobody has a file with them.
constexpr std::array<std::string_view, 4> kWereRefused = {
    "torch.nn.functional.batch_norm", "torch.nn.functional.instance_norm", "torch.nn.functional.embedding",
    "torch.nn.functional.embedding_bag"};

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::string_view AsInput(std::string_view parameter) { return parameter == "self" ? "input" : parameter; }

// Of the operator and of Python: self and input, train and training, split_size and split_size_or_sections.
bool IsSameParameter(std::string_view a, std::string_view b) {
  a = AsInput(a);
  b = AsInput(b);
  return a.starts_with(b) || b.starts_with(a);
}

bool IsTensor(const c10::Type& type) { return type.isSubtypeOf(*c10::TensorType::get()); }

// Whether the operator took an argument of `given` for `argument`, by what tells tensors, text and numbers apart.
bool Fits(const c10::Type& given, const c10::Argument& argument) {
  c10::TypePtr formal = argument.type();
  if (const auto optional = formal->cast<c10::OptionalType>()) {
    if (given.kind() == c10::TypeKind::NoneType) return true;
    formal = optional->getElementType();
  }
  if (IsTensor(*formal)) return IsTensor(given);
  if (formal->kind() == c10::TypeKind::GeneratorType) return false;
  const bool is_text = formal->kind() == c10::TypeKind::StringType;
  return !IsTensor(given) && given.kind() != c10::TypeKind::NoneType &&
         is_text == (given.kind() == c10::TypeKind::StringType);
}

bool FitsOperator(const c10::FunctionSchema& schema, Graph& graph, Arguments args, Arguments kwargs) {
  const auto& arguments = schema.arguments();
  if (args.size() > arguments.size()) return false;
  for (size_t i = 0; i < args.size(); ++i) {
    if (arguments[i].kwarg_only() || !Fits(*args[i].value(graph)->type(), arguments[i])) return false;
  }
  for (const NamedValue& kwarg : kwargs) {
    const auto found = std::ranges::find_if(
        arguments, [&](const c10::Argument& argument) { return AsInput(argument.name()) == kwarg.name(); });
    if (found == arguments.end() || !Fits(*kwarg.value(graph)->type(), *found)) return false;
  }
  return std::ranges::all_of(arguments.begin() + static_cast<std::ptrdiff_t>(args.size()), arguments.end(),
                             [&](const c10::Argument& argument) {
                               return argument.default_value().has_value() ||
                                      std::ranges::any_of(kwargs, [&](const NamedValue& kwarg) {
                                        return kwarg.name() == AsInput(argument.name());
                                      });
                             });
}

size_t CountOf(const c10::TypePtr& result) {
  const auto tuple = result->cast<c10::TupleType>();
  return tuple == nullptr ? 1 : tuple->elements().size();
}

// A parameter that the operator lacks, and that does something where it is left out.
bool Acts(const PythonParameter& parameter) {
  if (!parameter.default_value.has_value() || parameter.name.starts_with('_')) return false;
  const c10::IValue& value = *parameter.default_value;
  return !value.isNone() && !(value.isBool() && !value.toBool());
}

bool Differs(const PythonSignature& signature, const c10::FunctionSchema& schema, Arguments args,
             const c10::TypePtr& result) {
  if (schema.returns().size() != CountOf(result)) return true;
  const auto& arguments = schema.arguments();
  for (size_t i = 0; i < signature.parameters.size(); ++i) {
    const PythonParameter& parameter = signature.parameters[i];
    if (parameter.is_variadic) return false;
    if (i < args.size() && i < arguments.size() && !IsSameParameter(arguments[i].name(), parameter.name) && i != 0) {
      return true;
    }
    const bool is_known = std::ranges::any_of(
        arguments, [&](const c10::Argument& argument) { return IsSameParameter(argument.name(), parameter.name); });
    if (!is_known && Acts(parameter)) return true;
  }
  return false;
}

}  // namespace

void NoteChangedMeaning(const PythonSignature& signature, Graph& graph, Arguments args, Arguments kwargs,
                        const c10::TypePtr& result, std::vector<std::string>& notes) {
  if (!signature.is_written_in_python || std::ranges::find(kWereRefused, signature.name) != kWereRefused.end()) return;
  const auto symbol = c10::Symbol::fromQualString(fmt::format("aten::{}", LastPart(signature.name)));
  // The first that fits is the one that was called.
  for (const auto& op : torch::jit::getAllOperatorsFor(symbol)) {
    const c10::FunctionSchema& schema = op->schema();
    if (!FitsOperator(schema, graph, args, kwargs)) continue;
    if (!Differs(signature, schema, args, result)) return;
    const std::string note = fmt::format(
        "{} is Python's function: {}. Earlier releases took it for the operator of that name, which is "
        "torch.ops.aten.{}",
        signature.spelled.substr(0, signature.spelled.find('(')), signature.spelled, LastPart(signature.name));
    if (std::ranges::find(notes, note) == notes.end()) notes.push_back(note);
    return;
  }
}

}  // namespace torchferry::libtorch
