#include "server/torch/graph/reachable_graph.h"

#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <vector>

namespace torchferry::libtorch {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

std::shared_ptr<Graph> ReachableGraph(const torch::jit::Module& module) {
  std::shared_ptr<Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  torch::jit::InlineForkWait(graph);
  torch::jit::Inline(*graph);  // what the forks call
  std::vector<Node*> training;
  ForEachNode(graph->block(), [&](Node* node) {
    if (node->kind() == c10::prim::GetAttr && node->s(c10::attr::name) == "training" && IsModule(node->input())) {
      training.push_back(node);
    }
  });
  const torch::jit::WithInsertPoint guard(*graph->nodes().begin());
  Value* const is_training = graph->insertConstant(false);
  for (Node* node : training) node->output()->replaceAllUsesWith(is_training);
  // A request's tensors are no attributes' memory; the aliases of inputs and of what was in a
  // container are not told apart.
  for (size_t i = 1; i < graph->inputs().size(); ++i) {
    Value* const input = graph->inputs()[i];
    if (!IsTensor(input)) continue;
    Value* const copy = graph->insert(c10::aten::clone, {input});
    input->replaceAllUsesAfterNodeWith(copy->node(), copy);
  }
  // Not of tensors: one that is made and then written must not become a constant.
  torch::jit::ConstantPropagationImmutableTypes(graph);
  return graph;
}

void ForEachNode(Block* block, const std::function<void(Node*)>& visit) {
  for (Node* node : block->nodes()) {
    visit(node);
    for (Block* nested : node->blocks()) ForEachNode(nested, visit);
  }
}

bool IsModule(const Value* value) {
  const auto type = value->type()->cast<c10::ClassType>();
  return type != nullptr && type->is_module();
}

bool IsTensor(const Value* value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

}  // namespace torchferry::libtorch
