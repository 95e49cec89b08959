#include "server/torch/graph/training_mode.h"

#include <fmt/format.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <set>
#include <string_view>

#include "server/torch/graph/graph_edit.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// What a node calls, and where its arguments begin.
struct Callee {
  const c10::FunctionSchema* schema = nullptr;
  size_t first = 0;
  std::string name;
};

Callee CalleeOf(const Node* node) {
  if (node->kind() == c10::prim::CallFunction) {
    const auto type = node->input(0)->type()->cast<c10::FunctionType>();
    if (type == nullptr) return {};
    return {&type->function()->getSchema(), 1, type->function()->name()};
  }
  return {node->maybeSchema(), 0, node->kind().toQualString()};
}

bool IsNone(const Value* value) { return value->mustBeNone(); }

// Without them there is nothing but the batch's own.
bool LacksStatistics(const Node* node, const Callee& callee) {
  for (size_t i = 0; i < callee.schema->arguments().size(); ++i) {
    const std::string& name = callee.schema->arguments()[i].name();
    if ((name == "running_mean" || name == "running_var") && IsNone(node->input(i + callee.first))) return true;
  }
  return false;
}

class Pass {
 public:
  void Edit(Graph& graph, bool may_rewrite) {
    EditNodes(graph, [&](Graph&, Node* node) { EditNode(node, may_rewrite); });
    if (!may_rewrite) return;
    EditNodes(graph, [](Graph&, Node* node) { DropCounter(node); });
  }

  std::vector<std::string> Sentences() const {
    std::vector<std::string> sentences;
    if (rewritten_ > 0) {
      sentences.push_back(fmt::format(
          "was saved in training mode: {} places of its code that trained ({}) compute as in eval mode. Call eval() "
          "before tracing or saving it",
          rewritten_, fmt::join(rewritten_names_, ", ")));
    }
    if (!left_.empty()) {
      sentences.push_back(
          fmt::format("its code says that {} trains, so that answers may be random or depend on other rows. If that is "
                      "not meant, pass training=False, or trace it in eval mode",
                      fmt::join(left_, ", ")));
    }
    return sentences;
  }

 private:
  void EditNode(Node* node, bool may_rewrite) {
    const Callee callee = CalleeOf(node);
    // Stochastic depth, written out: nothing says which value eval mode has.
    if (may_rewrite && callee.name.starts_with("aten::bernoulli")) left_.insert(callee.name);
    if (callee.schema == nullptr || callee.schema->arguments().size() + callee.first != node->inputs().size()) return;
    for (size_t i = 0; i < callee.schema->arguments().size(); ++i) {
      const std::string& name = callee.schema->arguments()[i].name();
      const auto value = torch::jit::toIValue(node->input(i + callee.first));
      if (!value.has_value()) continue;
      const bool trains = (name == "train" || name == "training") && value->isBool() && value->toBool();
      const bool drops = name == "dropout_p" && value->isDouble() && value->toDouble() > 0;
      if ((!trains && !drops) || LacksStatistics(node, callee)) continue;
      if (!may_rewrite) {
        left_.insert(callee.name);
        continue;
      }
      const c10::IValue off = trains ? c10::IValue(false) : c10::IValue(0.0);
      node->replaceInput(i + callee.first, ConstantBefore(node, off));
      rewritten_names_.insert(callee.name);
      ++rewritten_;
    }
  }

  // What counts the batches of training.
  static void DropCounter(Node* node) {
    if (std::string_view(node->kind().toQualString()) != "aten::add_" || node->output()->hasUses()) return;
    const Node* source = node->input(0)->node();
    if (source->kind() == c10::prim::GetAttr && source->s(c10::attr::name) == "num_batches_tracked") node->destroy();
  }

  int rewritten_ = 0;
  std::set<std::string> rewritten_names_;
  std::set<std::string> left_;
};

}  // namespace

std::vector<std::string> MakeInferenceMode(torch::jit::Module& module) {
  Pass pass;
  std::set<torch::jit::Function*> seen;
  for (const torch::jit::Module& part : module.modules()) {
    const bool is_training = part.hasattr("training") && part.attr("training").isBool() && part.is_training();
    for (const torch::jit::Method& method : part.get_methods()) {
      torch::jit::Function& function = method.function();
      if (!function.isGraphFunction() || !seen.insert(&function).second) continue;
      pass.Edit(*torch::jit::toGraphFunction(function).graph(), is_training);
    }
  }
  module.eval();
  return pass.Sentences();
}

}  // namespace torchferry::libtorch
