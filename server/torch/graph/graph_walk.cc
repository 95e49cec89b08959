#include "server/torch/graph/graph_walk.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <set>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

class GraphWalk {
 public:
  explicit GraphWalk(const NodeVisitor& visit) : visit_(visit) {}

  absl::Status Module(const torch::jit::Module& module) {
    if (!types_.insert(module.type().get()).second) return absl::OkStatus();
    for (const auto& method : module.get_methods()) {
      FERRY_RETURN_IF_ERROR(Function(method.function()));
    }
    for (torch::jit::Function* hook : module.type()->getForwardPreHooks()) FERRY_RETURN_IF_ERROR(Function(*hook));
    for (torch::jit::Function* hook : module.type()->getForwardHooks()) FERRY_RETURN_IF_ERROR(Function(*hook));
    for (const torch::jit::Module& child : module.children()) FERRY_RETURN_IF_ERROR(Module(child));
    return absl::OkStatus();
  }

 private:
  absl::Status Function(torch::jit::Function& function) {
    if (!function.isGraphFunction() || !functions_.insert(&function).second) return absl::OkStatus();
    return Block(torch::jit::toGraphFunction(function).graph()->block(), function.name());
  }

  absl::Status Block(const torch::jit::Block* block, const std::string& method) {
    for (const torch::jit::Node* node : block->nodes()) {
      FERRY_RETURN_IF_ERROR(visit_(*node, method));
      for (const torch::jit::Value* output : node->outputs()) FERRY_RETURN_IF_ERROR(Type(output->type()));
      for (const torch::jit::Block* nested : node->blocks()) FERRY_RETURN_IF_ERROR(Block(nested, method));
    }
    return absl::OkStatus();
  }

  // Functions and classes that are called show as the type of a value.
  absl::Status Type(const c10::TypePtr& type) {
    if (const auto function = type->cast<c10::FunctionType>()) return Function(*function->function());
    if (const auto cls = type->cast<c10::ClassType>()) {
      if (!types_.insert(cls.get()).second) return absl::OkStatus();
      for (torch::jit::Function* method : cls->methods()) FERRY_RETURN_IF_ERROR(Function(*method));
    }
    for (const c10::TypePtr& contained : type->containedTypes()) FERRY_RETURN_IF_ERROR(Type(contained));
    return absl::OkStatus();
  }

  const NodeVisitor& visit_;
  std::set<const c10::Type*> types_;
  std::set<const torch::jit::Function*> functions_;
};

}  // namespace

absl::Status WalkGraphs(const torch::jit::Module& module, const NodeVisitor& visit) {
  return GraphWalk(visit).Module(module);
}

}  // namespace torchferry::libtorch
