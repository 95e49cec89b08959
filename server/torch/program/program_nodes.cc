#include "server/torch/program/program_nodes.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "server/plan/program_operators.h"
#include "server/torch/program/operator_choice.h"
#include "server/torch/program/program_types.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::GraphArgument;
using checkpoint::GraphNode;
using Kind = GraphArgument::Kind;
using Value = ProgramTarget::Value;
using Values = ProgramTarget::Values;

// What only export itself needs. The second would hold the program to the device that it was exported on.
constexpr std::string_view kDropped[] = {"aten::sym_constrain_range", "aten::sym_constrain_range_for_size",
                                         "aten::_assert_tensor_metadata"};

// Operators that give a symbol, and what a tensor is asked for.
constexpr std::pair<std::string_view, std::string_view> kProperties[] = {
    {"aten::sym_size", "size"},   {"aten::sym_stride", "stride"},
    {"aten::sym_numel", "numel"}, {"aten::sym_storage_offset", "storage_offset"},
    {"aten::size", "size"},       {"aten::stride", "stride"},
};

// Functions of numbers whose names differ from those of the module `operator`.
constexpr std::pair<std::string_view, std::string_view> kFunctions[] = {
    {"torch.sym_max", "max"},
    {"torch.sym_min", "min"},
    {"torch.sym_not", "not_"},
};

std::string NameOf(const GraphNode& node) {
  if (node.outputs.empty()) return "";
  const GraphArgument& first = node.outputs.front();
  return first.kind == Kind::kList && !first.items.empty() ? first.items.front().text : first.text;
}

std::optional<c10::TypeKind> NumberKind(Kind kind) {
  switch (kind) {
    case Kind::kSymInt:
      return c10::TypeKind::IntType;
    case Kind::kSymFloat:
      return c10::TypeKind::FloatType;
    case Kind::kSymBool:
      return c10::TypeKind::BoolType;
    default:
      return std::nullopt;
  }
}

// Its element type would be that of the int which stands for the bool.
bool IsFullOfBool(const c10::FunctionSchema& schema, const GraphNode& node) {
  const GraphArgument* value = Given(node, "fill_value");
  return schema.name() == "aten::full" && value != nullptr && IsNumber(*value) &&
         CategoryOf(*value) == NumberCategory::kBool;
}

// One integer for each of `count` dimensions, or nothing where they are no constants.
std::optional<std::vector<int64_t>> Sizes(const GraphNode& node, std::string_view name, size_t count,
                                          int64_t otherwise) {
  const GraphArgument* given = Given(node, name);
  std::vector<int64_t> sizes(count, otherwise);
  if (given == nullptr) return sizes;
  if (given->kind == Kind::kInt) return std::vector<int64_t>(count, given->integer);
  if (given->kind != Kind::kList || (given->items.size() != count && given->items.size() != 1)) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    const GraphArgument& item = given->items[given->items.size() == 1 ? 0 : i];
    if (!IsConstant(item) || !IsNumber(item)) return std::nullopt;
    sizes[i] = item.integer;
  }
  return sizes;
}

}  // namespace

void ProgramNodes::Make(const ExportedGraph& graph, Scope& scope) {
  for (const GraphNode& node : graph.nodes) {
    try {
      MakeNode({node, graph, scope});
    } catch (const std::exception& error) {
      throw std::invalid_argument(fmt::format("{} (node \"{}\"): {}", node.target, NameOf(node), error.what()));
    }
  }
}

void ProgramNodes::MakeNode(const At& at) {
  if (!plan::HigherOrderName(at.node.target).empty()) return MakeHigherOrder(at);
  const c10::OperatorName name = OperatorNameOf(at.node.target);
  if (name.name.empty()) return MakeArithmetic(at);
  if (std::ranges::find(kDropped, name.name) != std::end(kDropped)) return;
  if (name.name == "aten::detach_") return Bind(at, {Argument(at, "self")});  // gradients are none here
  if (name.name == "aten::_assert_scalar") return MakeAssert(at);
  if (name.name == "aten::item" || name.name == "aten::_local_scalar_dense") return MakeItem(at);
  if (name.name == "aten::sym_is_contiguous") return Bind(at, {target_.Constant(true)});
  for (const auto& [op, property] : kProperties) {
    if (op == name.name) return MakeProperty(std::string(property), at);
  }
  if (MakeConvolution(name, at) || MakeLogical(name, at) || MakeNormalForm(name, at)) return;
  MakeCall(name, at);
}

void ProgramNodes::MakeCall(const c10::OperatorName& name, const At& at) { MakeCall(ChooseSchema(name, at.node), at); }

void ProgramNodes::MakeCall(const c10::FunctionSchema& schema, const At& at, const std::string& padding_name,
                            const std::vector<int64_t>& padding) {
  for (const checkpoint::NamedArgument& given : at.node.inputs) {
    if (!schema.argumentIndexWithName(given.name).has_value()) {
      throw std::invalid_argument(fmt::format("this LibTorch's operator has no argument \"{}\"", given.name));
    }
  }
  const std::optional<at::ScalarType> beside = TypeBeside(at);
  Values arguments;
  for (const c10::Argument& argument : schema.arguments()) {
    const GraphArgument* given = Given(at.node, argument.name());
    if (argument.name() == padding_name) {
      arguments.push_back(target_.Constant(padding));
    } else if (given != nullptr) {
      arguments.push_back(arguments_.As(*given, argument, at.scope, beside));
    } else if (argument.name() == "dtype" && IsFullOfBool(schema, at.node)) {
      arguments.push_back(target_.Constant(static_cast<int64_t>(at::kBool)));
    } else if (const auto& value = argument.default_value()) {
      arguments.push_back(target_.Constant(*value));
    } else {
      throw std::invalid_argument(fmt::format("argument \"{}\" is missing", argument.name()));
    }
  }
  Bind(at, target_.Call(schema, arguments));
}

// A convolution that pads by a word has numbers instead where they are known, which LibTorch's passes ask for.
bool ProgramNodes::MakeConvolution(const c10::OperatorName& name, const At& at) {
  constexpr std::string_view kConvolution = "aten::conv";
  if (name.overload_name != "padding" || name.name.size() != kConvolution.size() + 2 ||
      !name.name.starts_with(kConvolution)) {
    return false;
  }
  const auto dimensions = static_cast<size_t>(name.name[kConvolution.size()] - '0');
  const GraphArgument* word = Given(at.node, "padding");
  std::vector<int64_t> padding(dimensions, 0);
  if (word != nullptr && word->text != "valid") {
    const auto dilation = Sizes(at.node, "dilation", dimensions, 1);
    const auto shape = target_.KnownShape(Argument(at, "weight"));
    if (word->text != "same" || !dilation.has_value() || !shape.has_value() || shape->size() != dimensions + 2) {
      return false;
    }
    for (size_t i = 0; i < dimensions; ++i) {
      const int64_t both = (*dilation)[i] * ((*shape)[i + 2] - 1);
      if (both % 2 != 0) return false;  // one side has more than the other
      padding[i] = both / 2;
    }
  }
  MakeCall(c10::Dispatcher::singleton().findSchemaOrThrow(name.name.c_str(), "").schema(), at, "padding", padding);
  return true;
}

// A sum or product of bools, one of them a constant. As an int that would promote.
bool ProgramNodes::MakeLogical(const c10::OperatorName& name, const At& at) {
  const bool is_sum = name.name == "aten::add" || name.name == "aten::add_";
  if (!is_sum && name.name != "aten::mul" && name.name != "aten::mul_") return false;
  const GraphArgument* self = Given(at.node, "self");
  const GraphArgument* other = Given(at.node, "other");
  const auto is_bool = [](const GraphArgument& given) {
    return IsNumber(given) && CategoryOf(given) == NumberCategory::kBool;
  };
  if (self == nullptr || other == nullptr || !(is_bool(*self) || is_bool(*other)) || TypeBeside(at) != at::kBool) {
    return false;
  }
  const std::string op =
      std::string(is_sum ? "aten::logical_or" : "aten::logical_and") + (name.name.ends_with('_') ? "_" : "");
  const c10::FunctionSchema& schema = c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), "").schema();
  Bind(at, target_.Call(schema, {arguments_.AsTensor(*self, at.scope), arguments_.AsTensor(*other, at.scope)}));
  return true;
}

void ProgramNodes::MakeProperty(const std::string& name, const At& at) {
  Values arguments;
  for (const checkpoint::NamedArgument& given : at.node.inputs) {
    arguments.push_back(arguments_.Any(given.value, at.scope));
  }
  Bind(at, {target_.Property(name, arguments)});
}

void ProgramNodes::MakeItem(const At& at) {
  const auto kind = at.node.outputs.empty() ? std::nullopt : NumberKind(at.node.outputs[0].kind);
  if (!kind.has_value()) throw std::invalid_argument("gives no number");
  Bind(at, {target_.Number(*kind, Argument(at, "self"))});
}

void ProgramNodes::MakeAssert(const At& at) {
  const GraphArgument* message = Given(at.node, "assert_msg");
  target_.Assert(AsBool(Argument(at, "self")),
                 message == nullptr ? "an assertion of the program failed" : message->text);
}

void ProgramNodes::MakeArithmetic(const At& at) {
  const std::string& target = at.node.target;
  Values arguments;
  for (const checkpoint::NamedArgument& given : at.node.inputs) {
    for (const Value value : arguments_.Flat(given.value, at.scope)) arguments.push_back(value);
  }
  const auto wanted = at.node.outputs.empty() ? std::nullopt : NumberKind(at.node.outputs[0].kind);
  if (!wanted.has_value()) throw std::invalid_argument("is no operator that this server knows");
  std::string function = target.substr(target.rfind('.') + 1);
  for (const auto& [name, plain] : kFunctions) {
    if (name == target) function = plain;
  }
  if (function == "sym_ite") {
    if (arguments.size() != 3) throw std::invalid_argument("takes three arguments");
    return Bind(at,
                target_.If(
                    AsBool(arguments[0]), [&] { return Values{arguments[1]}; }, [&] { return Values{arguments[2]}; }));
  }
  const bool keeps = function == "pos" || function == "sym_int" || function == "sym_float";
  if (function.starts_with("_sym_")) function = function.substr(5);
  Value result = 0;
  if (keeps || (function == "sym_sum" && arguments.size() == 1)) {
    result = arguments.at(0);
  } else if (function == "sym_sum") {
    result = target_.Constant(int64_t{0});
    for (const Value value : arguments) result = target_.Arithmetic("add", {result, value});
  } else {
    result = target_.Arithmetic(function, arguments);
  }
  Bind(at, {target_.Number(*wanted, result)});
}

Value ProgramNodes::Argument(const At& at, const std::string& name) {
  const GraphArgument* given = Given(at.node, name);
  if (given == nullptr) throw std::invalid_argument(fmt::format("argument \"{}\" is missing", name));
  return arguments_.Any(*given, at.scope);
}

// As PyTorch promotes: tensors without dimensions count where there are no others.
std::optional<at::ScalarType> ProgramNodes::TypeBeside(const At& at) const {
  std::array<std::optional<at::ScalarType>, 2> types;
  const auto add = [&](const GraphArgument& argument) {
    if (argument.kind != Kind::kTensor) return;
    const auto tensor = at.graph.tensors.find(argument.text);
    if (tensor == at.graph.tensors.end()) return;
    const at::ScalarType type = ElementType(tensor->second.dtype);
    auto& known = types[tensor->second.sizes.empty() ? 1 : 0];
    known = known.has_value() ? c10::promoteTypes(*known, type) : type;
  };
  for (const checkpoint::NamedArgument& given : at.node.inputs) {
    add(given.value);
    for (const GraphArgument& item : given.value.items) add(item);
  }
  return types[0].has_value() ? types[0] : types[1];
}

void ProgramNodes::BindOne(const GraphArgument& output, Value value, Scope& scope) {
  if (output.kind == Kind::kNone) return;
  if (output.kind == Kind::kList) {
    const Values items = target_.Unpack(value, output.items.size());
    for (size_t i = 0; i < items.size(); ++i) BindOne(output.items[i], items[i], scope);
    return;
  }
  if (output.text.empty()) throw std::invalid_argument("an output has no name");
  scope[output.text] = value;
}

void ProgramNodes::Bind(const At& at, const Values& values) {
  const std::vector<GraphArgument>& outputs = at.node.outputs;
  if (outputs.empty()) return;
  if (outputs.size() != values.size()) {
    throw std::invalid_argument(
        fmt::format("the file has {} outputs of it; this LibTorch's operator gives {}", outputs.size(), values.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) BindOne(outputs[i], values[i], at.scope);
}

}  // namespace torchferry::libtorch
