#include "server/torch/graph/model_code.h"

#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

#include "server/base/status.h"
#include "server/plan/code_scan.h"
#include "server/plan/compile_stack.h"
#include "server/plan/model_operators.h"
#include "server/torch/graph/graph_walk.h"

namespace torchferry::libtorch {
namespace {

// Of a class, or of a type that lets an object stand there.
bool HoldsInstances(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::ClassType:
    case c10::TypeKind::InterfaceType:
    case c10::TypeKind::AnyType:
    case c10::TypeKind::AnyListType:
    case c10::TypeKind::AnyTupleType:
    case c10::TypeKind::AnyClassType:
      return true;
    default:
      return std::ranges::any_of(type.containedTypes(),
                                 [](const c10::TypePtr& contained) { return HoldsInstances(*contained); });
  }
}

bool HoldsTuple(const c10::Type& type) {
  return type.kind() == c10::TypeKind::TupleType ||
         std::ranges::any_of(type.containedTypes(),
                             [](const c10::TypePtr& contained) { return HoldsTuple(*contained); });
}

// unchecked_cast(T, x) is what the compiler writes behind `is not None` and `isinstance`. Saved code may say it itself:
// an object would be read as one of another class, past its end.
bool IsBlindCast(const torch::jit::Node& node) {
  if (node.kind() != c10::prim::unchecked_cast) return false;
  const c10::TypePtr& to = node.output()->type();
  const c10::TypePtr& from = node.input()->type();
  if (from->isSubtypeOf(*to) || (!HoldsInstances(*to) && !HoldsTuple(*to))) return false;
  const auto optional = from->cast<c10::OptionalType>();
  return optional == nullptr || !optional->getElementType()->isSubtypeOf(*to);
}

bool IsPlain(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::StringType:
      return true;
    default:
      return false;
  }
}

// The hash of a tensor or an object, and an object as text, are where it lies in memory.
bool TellsAddress(const torch::jit::Node& node, const std::string& op) {
  const auto is_any_input = [&](const auto& is) {
    return std::ranges::any_of(node.inputs(), [&](const torch::jit::Value* input) { return is(*input->type()); });
  };
  if (op == "aten::hash") return is_any_input([](const c10::Type& type) { return !IsPlain(type); });
  const bool makes_text = op == "aten::format" || op == "aten::percentFormat" || op == "aten::str";
  return makes_text && is_any_input([](const c10::Type& type) { return HoldsInstances(type); });
}

absl::Status CheckNode(const torch::jit::Node& node, const std::string& method) {
  const std::string op = node.kind().toQualString();
  if (const auto reason = plan::WhyRefused(op)) {
    return plan::DeniedCode(op, *reason, fmt::format("method {}", method));
  }
  if (IsBlindCast(node)) {
    return plan::DeniedCode(fmt::format("unchecked_cast to {}", node.output()->type()->str()),
                            "takes an object for one of a class that it may not be of",
                            fmt::format("method {}", method));
  }
  if (TellsAddress(node, op)) return plan::DeniedCode(op, "tells an address", fmt::format("method {}", method));
  return absl::OkStatus();
}

absl::Status CheckClass(const c10::ClassType& type) {
  return type.name().has_value() ? CheckClassName(type.name()->qualifiedName(), "the model") : absl::OkStatus();
}

absl::Status TooDeep(size_t depth) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "its functions call one another {} deep; at most {} are compiled: merge some of them", depth,
                          plan::kMaxCallDepth);
}

}  // namespace

absl::Status CheckModelCode(const torch::jit::Module& module) { return WalkGraphs(module, CheckNode, CheckClass); }

absl::Status CheckFunction(torch::jit::Function& function) {
  if (const size_t depth = CallDepth(function); depth > plan::kMaxCallDepth) return TooDeep(depth);
  return WalkGraphs(function, CheckNode, CheckClass);
}

absl::Status CheckClassName(std::string_view qualified_name, std::string_view where) {
  const auto reason = plan::WhyClassRefused(qualified_name);
  return reason.has_value() ? plan::DeniedCode(fmt::format("the class {}", qualified_name), *reason, where)
                            : absl::OkStatus();
}

absl::Status CheckCallDepth(const torch::jit::Module& module) {
  const size_t depth = CallDepth(module);
  return depth > plan::kMaxCallDepth ? TooDeep(depth) : absl::OkStatus();
}

}  // namespace torchferry::libtorch
