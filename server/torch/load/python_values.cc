#include "server/torch/load/python_values.h"

#include <fmt/format.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::SourceRange;
using torch::jit::Value;

bool IsOf(const Value& value, c10::TypeKind kind) { return value.type()->kind() == kind; }

Value* AsFloat(Value* value, const SourceRange& loc) {
  if (!IsOf(*value, c10::TypeKind::IntType) && !IsOf(*value, c10::TypeKind::BoolType)) return value;
  Graph& graph = *value->owningGraph();
  if (const auto constant = torch::jit::toIValue(value)) {
    const double number = constant->toScalar().toDouble();
    return graph.insertConstant(number, loc);
  }
  return graph.insert(c10::aten::Float, {value}, {}, loc);
}

// The elements of a list or a tuple that was written out; nothing otherwise.
std::vector<Value*> ElementsOf(Value* value) {
  Graph& graph = *value->owningGraph();
  if (value->node()->kind() == c10::prim::ListConstruct || value->node()->kind() == c10::prim::TupleConstruct) {
    return value->node()->inputs().vec();
  }
  const auto constant = torch::jit::toIValue(value);
  if (!constant.has_value() || (!constant->isIntList() && !constant->isTuple())) return {};
  std::vector<Value*> elements;
  if (constant->isTuple()) {
    for (const c10::IValue& element : constant->toTupleRef().elements()) {
      elements.push_back(graph.insertConstant(element));
    }
  } else {
    for (const int64_t element : constant->toIntVector()) elements.push_back(graph.insertConstant(element));
  }
  return elements;
}

Value* AsFloats(Value* value, const SourceRange& loc) {
  std::vector<Value*> elements = ElementsOf(value);
  if (elements.empty()) return value;
  for (Value*& element : elements) element = AsFloat(element, loc);
  if (!std::ranges::all_of(elements, [](const Value* v) { return IsOf(*v, c10::TypeKind::FloatType); })) return value;
  Graph& graph = *value->owningGraph();
  return graph.insertNode(graph.createList(c10::FloatType::get(), elements))->output();
}

// A tuple of sizes, or one size, as a list.
Value* AsShape(Value* value) {
  Graph& graph = *value->owningGraph();
  std::vector<Value*> sizes;
  if (IsOf(*value, c10::TypeKind::TupleType)) {
    const auto unpacked = torch::jit::createTupleUnpack(value);
    sizes.assign(unpacked.begin(), unpacked.end());
  } else if (IsOf(*value, c10::TypeKind::IntType)) {
    sizes = {value};
  } else {
    return value;
  }
  if (!std::ranges::all_of(sizes, [](const Value* size) { return IsOf(*size, c10::TypeKind::IntType); })) return value;
  return graph.insertNode(graph.createList(c10::IntType::get(), sizes))->output();
}

}  // namespace

Value* AsPythonTakes(Value* value, const c10::TypePtr& formal, const SourceRange& loc) {
  c10::TypePtr type = formal;
  if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  if (type->kind() == c10::TypeKind::FloatType) return AsFloat(value, loc);
  const auto list = type->cast<c10::ListType>();
  if (list == nullptr) return value;
  if (list->getElementType()->kind() == c10::TypeKind::FloatType) return AsFloats(AsFloat(value, loc), loc);
  return value;
}

Value* AsList(const std::vector<Value*>& values, Graph& graph, const SourceRange& loc) {
  if (values.size() == 1 && IsOf(*values[0], c10::TypeKind::ListType)) return values[0];
  std::vector<Value*> elements = values;
  if (values.size() == 1 && IsOf(*values[0], c10::TypeKind::TupleType)) {
    const auto unpacked = torch::jit::createTupleUnpack(values[0]);
    elements.assign(unpacked.begin(), unpacked.end());
  }
  const bool has_shapes = std::ranges::any_of(elements, [](const Value* element) {
    return IsOf(*element, c10::TypeKind::TupleType) || IsOf(*element, c10::TypeKind::ListType);
  });
  if (has_shapes) {
    for (Value*& element : elements) element = AsShape(element);
  }
  c10::TypePtr element = elements.empty() ? c10::TypePtr(c10::TensorType::get()) : elements[0]->type();
  if (element->isSubtypeOf(*c10::TensorType::get())) element = c10::TensorType::get();
  if (!std::ranges::all_of(elements, [&](const Value* v) { return v->type()->isSubtypeOf(*element); })) {
    throw torch::jit::ErrorReport(loc) << "its arguments must all be of one type";
  }
  return graph.insertNode(graph.createList(element, elements))->output();
}

std::string DescribeArguments(Graph& graph, at::ArrayRef<torch::jit::NamedValue> args,
                              at::ArrayRef<torch::jit::NamedValue> kwargs) {
  std::string text;
  for (const torch::jit::NamedValue& arg : args) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", arg.value(graph)->type()->repr_str());
  }
  for (const torch::jit::NamedValue& arg : kwargs) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", arg.name(), arg.value(graph)->type()->repr_str());
  }
  return "(" + text + ")";
}

}  // namespace torchferry::libtorch
