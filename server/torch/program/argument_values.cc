#include "server/torch/program/argument_values.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/format.h>

#include <stdexcept>

#include "server/torch/program/program_types.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::GraphArgument;
using Kind = GraphArgument::Kind;
using Value = ProgramTarget::Value;
using Values = ProgramTarget::Values;

// The type with which a tensor without dimensions promotes as `number` does beside a tensor of `beside`.
at::ScalarType PromotingType(const GraphArgument& number, std::optional<at::ScalarType> beside) {
  const NumberCategory category = CategoryOf(number);
  if (beside.has_value() && CategoryOf(*beside) >= category) return *beside;
  switch (category) {
    case NumberCategory::kBool:
      return at::kBool;
    case NumberCategory::kInt:
      return at::kLong;
    case NumberCategory::kComplex:
      return beside == at::kDouble ? at::kComplexDouble : at::kComplexFloat;
    default:
      return at::kFloat;
  }
}

at::Scalar ScalarOf(const GraphArgument& number) {
  const c10::IValue value = ConstantOf(number);
  return value.toScalar();
}

// TorchScript takes none for a Scalar.
bool IsBool(const GraphArgument& number) { return IsNumber(number) && CategoryOf(number) == NumberCategory::kBool; }

const c10::TypePtr& WithoutOptional(const c10::TypePtr& type) {
  return type->kind() == c10::TypeKind::OptionalType ? type->castRaw<c10::OptionalType>()->getElementType() : type;
}

// All of `items` as one constant, where they are constants that a list may hold.
std::optional<c10::IValue> ConstantList(const std::vector<GraphArgument>& items, c10::TypeKind element) {
  const auto all = [&](auto&& add) {
    for (const GraphArgument& item : items) {
      if (!IsConstant(item) || !add(ConstantOf(item))) return false;
    }
    return true;
  };
  if (element == c10::TypeKind::IntType) {
    std::vector<int64_t> numbers;
    const auto add = [&](const c10::IValue& value) {
      return value.isInt() && (numbers.push_back(value.toInt()), true);
    };
    if (all(add)) return c10::IValue(numbers);
  } else if (element == c10::TypeKind::FloatType) {
    std::vector<double> numbers;
    const auto add = [&](const c10::IValue& value) {
      return (value.isInt() || value.isDouble()) && (numbers.push_back(value.toScalar().toDouble()), true);
    };
    if (all(add)) return c10::IValue(numbers);
  } else if (element == c10::TypeKind::BoolType) {
    c10::List<bool> flags;
    const auto add = [&](const c10::IValue& value) {
      return value.isBool() && (flags.push_back(value.toBool()), true);
    };
    if (all(add)) return c10::IValue(flags);
  }
  return std::nullopt;
}

}  // namespace

Value ArgumentValues::As(const GraphArgument& given, const c10::Argument& wanted, const Scope& scope,
                         std::optional<at::ScalarType> beside) {
  return AsType(given, wanted.type(), wanted.N(), scope, beside);
}

Value ArgumentValues::AsType(const GraphArgument& given, const c10::TypePtr& wanted, std::optional<int32_t> count,
                             const Scope& scope, std::optional<at::ScalarType> beside) {
  if (given.kind == Kind::kNone) return target_.Constant({});
  const c10::TypePtr& type = WithoutOptional(wanted);
  if (type->kind() == c10::TypeKind::ListType) {
    const c10::TypePtr element = type->containedType(0);
    if (given.kind == Kind::kList) return AsList(given, element, scope, beside);
    if (!IsNumber(given)) return Any(given, scope);
    // One number for all dimensions.
    GraphArgument list;
    list.kind = Kind::kList;
    list.item_kind = given.kind;
    list.items.assign(static_cast<size_t>(count.value_or(1)), given);
    return AsList(list, element, scope, beside);
  }
  switch (type->kind()) {
    case c10::TypeKind::FloatType:
      if (given.kind == Kind::kInt) return target_.Constant(static_cast<double>(given.integer));
      return IsNumber(given) ? target_.Number(c10::TypeKind::FloatType, Any(given, scope)) : Any(given, scope);
    case c10::TypeKind::NumberType:
      return IsBool(given) ? target_.Number(c10::TypeKind::IntType, Any(given, scope)) : Any(given, scope);
    case c10::TypeKind::TensorType:
      return IsNumber(given) ? NumberTensor(given, PromotingType(given, beside), scope) : Any(given, scope);
    default:
      return Any(given, scope);
  }
}

Value ArgumentValues::AsList(const GraphArgument& given, const c10::TypePtr& element, const Scope& scope,
                             std::optional<at::ScalarType> beside) {
  if (const auto constant = ConstantList(given.items, element->kind())) return target_.Constant(*constant);
  Values items;
  for (const GraphArgument& item : given.items) items.push_back(AsType(item, element, std::nullopt, scope, beside));
  return target_.List(element, items);
}

Value ArgumentValues::Any(const GraphArgument& given, const Scope& scope) {
  if (IsConstant(given)) return target_.Constant(ConstantOf(given));
  switch (given.kind) {
    case Kind::kTensor:
    case Kind::kSymInt:
    case Kind::kSymFloat:
    case Kind::kSymBool: {
      const auto found = scope.find(given.text);
      if (found == scope.end()) throw std::invalid_argument(fmt::format("there is no value \"{}\"", given.text));
      return found->second;
    }
    case Kind::kList: {
      if (given.items.empty()) throw std::invalid_argument("nothing says what its empty list holds");
      Values items;
      for (const GraphArgument& item : given.items) items.push_back(Any(item, scope));
      return target_.List(target_.TypeOf(items.front()), items);
    }
    case Kind::kGraph:
      throw std::invalid_argument("an argument is a graph, which this operator does not take");
    case Kind::kOperator:
      throw std::invalid_argument("an argument is an operator");
    default:
      throw std::invalid_argument("an argument is an object of a class");
  }
}

Values ArgumentValues::Flat(const GraphArgument& given, const Scope& scope) {
  if (given.kind == Kind::kNone) return {};
  if (given.kind != Kind::kList) return {Any(given, scope)};
  Values values;
  for (const GraphArgument& item : given.items) {
    if (item.kind != Kind::kNone) values.push_back(Any(item, scope));
  }
  return values;
}

Value ArgumentValues::AsTensor(const GraphArgument& given, const Scope& scope) {
  if (!IsNumber(given)) return Any(given, scope);
  return NumberTensor(given, PromotingType(given, std::nullopt), scope);
}

Value ArgumentValues::NumberTensor(const GraphArgument& given, at::ScalarType type, const Scope& scope) {
  if (IsConstant(given)) return target_.Constant(at::scalar_tensor(ScalarOf(given), type));
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow("aten::scalar_tensor", "");
  Values arguments;
  for (const c10::Argument& argument : handle.schema().arguments()) {
    if (argument.name() == "s") {
      const Value number = Any(given, scope);
      arguments.push_back(IsBool(given) ? target_.Number(c10::TypeKind::IntType, number) : number);
    } else if (argument.name() == "dtype") {
      arguments.push_back(target_.Constant(static_cast<int64_t>(type)));
    } else {
      arguments.push_back(target_.Constant({}));
    }
  }
  return target_.Call(handle.schema(), arguments).at(0);
}

}  // namespace torchferry::libtorch
