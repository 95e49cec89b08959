#include "server/torch/graph/rewrite_dtypes.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/torch/graph/graph_edit.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// x.dtype == torch.float16, x.dtype in [torch.float16, torch.bfloat16]
bool ComparesDtypes(const Node* node) {
  if (node->kind() != c10::aten::eq && node->kind() != c10::aten::ne && node->kind() != c10::aten::__contains__)
    return false;
  return std::ranges::any_of(node->inputs(),
                             [](const Value* input) { return input->node()->kind() == c10::prim::dtype; });
}

// A constant, or an element of a constant tuple.
std::optional<c10::IValue> ConstantOf(Value* value) {
  if (value->node()->kind() != c10::prim::TupleUnpack) return torch::jit::toIValue(value);
  const auto tuple = torch::jit::toIValue(value->node()->input());
  if (!tuple.has_value() || !tuple->isTuple()) return std::nullopt;
  return tuple->toTupleRef().elements()[value->offset()];
}

class Rewriter {
 public:
  Rewriter(Graph& graph, const RewriteTarget& target, Rewritten& rewritten)
      : graph_(graph), target_(target), rewritten_(rewritten) {}

  void InNode(Node* node) {
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr || schema->arguments().size() != node->inputs().size()) return;
    const bool compares = ComparesDtypes(node);
    for (size_t i = 0; i < schema->arguments().size(); ++i) {
      const c10::Argument& argument = schema->arguments()[i];
      if (compares || IsKind(argument.real_type(), c10::TypeKind::ScalarTypeType)) Dtype(node, i);
      if (IsKind(argument.type(), c10::TypeKind::NumberType)) Limit(node, i);
    }
  }

 private:
  // An element type, from wherever it comes: a constant, an attribute, a branch, a tuple or a list.
  void Dtype(Node* node, size_t input) {
    Node* const source = node->input(input)->node();
    if (node->input(input)->mustBeNone()) return;
    if (source->kind() == c10::prim::GetAttr) return NoteAttribute(source, rewritten_);
    InSource(source, node->input(input)->offset());
    const auto type = ConstantOf(node->input(input));
    if (!type.has_value()) return ByVariable(node, input);
    if (type->isInt() && target_.Casts(static_cast<at::ScalarType>(type->toInt()))) {
      Replace(node, input, static_cast<int64_t>(target_.to));
    } else if (type->isIntList()) {
      if (const auto types = Cast(type->toIntVector(), target_)) Replace(node, input, *types);
    }
  }

  // What `source` makes its output `offset` of.
  void InSource(Node* source, size_t offset) {
    if (source->kind() == c10::prim::If) {
      for (Block* block : source->blocks()) Dtype(block->return_node(), offset);
    } else if (source->kind() == c10::prim::TupleUnpack &&
               source->input()->node()->kind() == c10::prim::TupleConstruct) {
      Dtype(source->input()->node(), offset);
    } else if (source->kind() == c10::prim::ListConstruct) {
      for (size_t i = 0; i < source->inputs().size(); ++i) Dtype(source, i);
    }
  }

  // x.to(self.types[0]): seen when it runs.
  void ByVariable(Node* node, size_t input) {
    Value* const given = node->input(input);
    const Node* source = given->node();
    // That of another tensor is what that one computes in.
    if (given->type()->kind() != c10::TypeKind::IntType || source->kind() == c10::prim::dtype ||
        source->kind() == c10::prim::If)
      return;
    const torch::jit::WithInsertPoint point(node);
    Value* const to = graph_.insertConstant(static_cast<int64_t>(target_.to));
    Value* result = given;
    for (const at::ScalarType from : target_.from) {
      if (from == target_.to) continue;
      result = Choice(graph_, graph_.insert(c10::aten::eq, {given, static_cast<int64_t>(from)}), to, result);
    }
    node->replaceInput(input, result);
    ++rewritten_.dtypes;
  }

  // The largest number of the type that is cast, torch.finfo(x.dtype).min say, is none of a smaller type.
  void Limit(Node* node, size_t input) {
    if (!target_.Casts(at::kFloat)) return;
    const auto constant = torch::jit::toIValue(node->input(input));
    if (!constant.has_value() || !constant->isDouble()) return;
    const double number = constant->toDouble();
    if (std::abs(number) != double{std::numeric_limits<float>::max()}) return;
    const double largest = target_.to == at::kHalf ? double{std::numeric_limits<c10::Half>::max()}
                                                   : double{std::numeric_limits<c10::BFloat16>::max()};
    Replace(node, input, std::copysign(largest, number));
  }

  void Replace(Node* node, size_t input, const c10::IValue& value) {
    node->replaceInput(input, ConstantBefore(node, value));
    ++rewritten_.dtypes;
  }

  Graph& graph_;
  const RewriteTarget& target_;
  Rewritten& rewritten_;
};

}  // namespace

void RewriteDtypes(Graph& graph, const RewriteTarget& target, Rewritten& rewritten) {
  if (target.from.empty()) return;
  EditNodes(graph, [&](Graph& owner, Node* node) { Rewriter(owner, target, rewritten).InNode(node); });
}

}  // namespace torchferry::libtorch
