#include "server/torch/graph/graph_edit.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace torchferry::libtorch {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

using Edit = std::function<void(Graph&, Node*)>;

void EditBlock(Graph& graph, Block* block, const Edit& edit) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;  // first, as `node` may go away
    for (Block* nested : node->blocks()) EditBlock(graph, nested, edit);
    if (node->hasAttribute(c10::attr::Subgraph) && node->kindOf(c10::attr::Subgraph) == torch::jit::AttributeKind::g) {
      torch::jit::Inline(*node->g(c10::attr::Subgraph));
      EditNodes(*node->g(c10::attr::Subgraph), edit);
    }
    edit(graph, node);
  }
}

}  // namespace

bool IsKind(const c10::TypePtr& type, c10::TypeKind kind) {
  if (type->kind() == kind) return true;
  const auto optional = type->cast<c10::OptionalType>();
  return optional != nullptr && optional->getElementType()->kind() == kind;
}

void EditNodes(Graph& graph, const Edit& edit) { EditBlock(graph, graph.block(), edit); }

Value* ConstantBefore(Node* node, const c10::IValue& value) {
  const torch::jit::WithInsertPoint point(node);
  return node->owningGraph()->insertConstant(value);
}

Value* Choice(Graph& graph, Value* condition, Value* then, Value* otherwise) {
  Node* const choice = graph.insertNode(graph.create(c10::prim::If, {condition}));
  choice->addBlock()->registerOutput(then);
  choice->addBlock()->registerOutput(otherwise);
  return choice->output()->setType(otherwise->type());
}

void NoteAttribute(const Node* node, Rewritten& rewritten) {
  rewritten.attributes.emplace(node->input()->type().get(), node->s(c10::attr::name));
}

}  // namespace torchferry::libtorch
