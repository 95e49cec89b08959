#include "server/torch/graph/graph_walk.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Function;
using torch::jit::Node;

// What is still to be looked at lies in lists: nothing here recurses, however deep the code nests.
class GraphWalk {
 public:
  GraphWalk(const NodeVisitor& visit, const ClassVisitor& visit_class) : visit_(visit), visit_class_(visit_class) {}

  void Add(Function* function) {
    if (function != nullptr && functions_seen_.insert(function).second) functions_.push_back(function);
  }
  void Add(const c10::TypePtr& type) {
    if (types_seen_.insert(type.get()).second) types_.push_back(type);
  }
  void Add(const c10::IValue& value) { values_.push_back(value); }

  absl::Status Run() {
    while (true) {
      if (!values_.empty()) {
        TakeValue();
      } else if (!types_.empty()) {
        FERRY_RETURN_IF_ERROR(TakeType());
      } else if (!functions_.empty()) {
        FERRY_RETURN_IF_ERROR(TakeFunction());
      } else {
        return absl::OkStatus();
      }
    }
  }

 private:
  void TakeValue() {
    const c10::IValue value = std::move(values_.back());
    values_.pop_back();
    if (value.isObject()) {
      const auto object = value.toObject();
      Add(c10::TypePtr(object->type()));
      if (values_seen_.insert(object.get()).second) {
        values_.insert(values_.end(), object->slots().begin(), object->slots().end());
      }
    } else if (value.isList()) {
      const auto list = value.toList();
      // Tensors and numbers have no code.
      if (list.elementType()->containedTypes().empty() && list.elementType()->kind() != c10::TypeKind::AnyType &&
          list.elementType()->kind() != c10::TypeKind::ClassType &&
          list.elementType()->kind() != c10::TypeKind::InterfaceType) {
        return;
      }
      if (!values_seen_.insert(value.internalToPointer()).second) return;
      for (size_t i = 0; i < list.size(); ++i) values_.push_back(list.get(i));
    } else if (value.isGenericDict()) {
      if (!values_seen_.insert(value.internalToPointer()).second) return;
      for (const auto& entry : value.toGenericDict()) values_.push_back(entry.value());
    } else if (value.isTuple()) {
      if (!values_seen_.insert(value.internalToPointer()).second) return;
      const auto& elements = value.toTupleRef().elements();
      values_.insert(values_.end(), elements.begin(), elements.end());
    }
  }

  // Functions and classes that are called show as the type of a value.
  absl::Status TakeType() {
    const c10::TypePtr type = std::move(types_.back());
    types_.pop_back();
    held_.push_back(type);
    if (const auto function = type->cast<c10::FunctionType>()) {
      Add(function->function());
    } else if (const auto cls = type->cast<c10::ClassType>()) {
      if (visit_class_) FERRY_RETURN_IF_ERROR(visit_class_(*cls));
      AddClass(*cls);
    }
    for (const c10::TypePtr& contained : type->containedTypes()) Add(contained);
    return absl::OkStatus();
  }

  void AddClass(const c10::ClassType& cls) {
    for (Function* method : cls.methods()) Add(method);
    for (Function* hook : cls.getForwardPreHooks()) Add(hook);
    for (Function* hook : cls.getForwardHooks()) Add(hook);
    for (const c10::ClassType::Property& property : cls.properties()) {
      Add(property.getter);
      Add(property.setter);
    }
    for (size_t i = 0; i < cls.numAttributes(); ++i) Add(cls.getAttribute(i));
    for (size_t i = 0; i < cls.numConstants(); ++i) Add(cls.getConstant(i));
  }

  absl::Status TakeFunction() {
    Function* const function = functions_.back();
    functions_.pop_back();
    if (!function->isGraphFunction()) return absl::OkStatus();
    std::vector<const torch::jit::Block*> blocks = {torch::jit::toGraphFunction(*function).graph()->block()};
    for (const torch::jit::Value* input : blocks[0]->inputs()) Add(input->type());
    while (!blocks.empty()) {
      const torch::jit::Block* block = blocks.back();
      blocks.pop_back();
      for (const Node* node : block->nodes()) {
        FERRY_RETURN_IF_ERROR(visit_(*node, function->name()));
        for (const torch::jit::Value* output : node->outputs()) Add(output->type());
        blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
        AddAttributes(*node, blocks);
      }
    }
    return absl::OkStatus();
  }

  void AddAttributes(const Node& node, std::vector<const torch::jit::Block*>& blocks) {
    for (const c10::Symbol name : node.attributeNames()) {
      switch (node.kindOf(name)) {
        case torch::jit::AttributeKind::g:
          blocks.push_back(node.g(name)->block());
          break;
        case torch::jit::AttributeKind::gs:
          for (const auto& graph : node.gs(name)) blocks.push_back(graph->block());
          break;
        case torch::jit::AttributeKind::ival:
          Add(node.ival(name));
          break;
        case torch::jit::AttributeKind::ty:
          Add(node.ty(name));
          break;
        case torch::jit::AttributeKind::tys:
          for (const c10::TypePtr& type : node.tys(name)) Add(type);
          break;
        default:
          break;
      }
    }
  }

  const NodeVisitor& visit_;
  const ClassVisitor& visit_class_;
  std::vector<Function*> functions_;
  std::vector<c10::TypePtr> types_;
  std::vector<c10::IValue> values_;
  std::set<const Function*> functions_seen_;
  std::set<const c10::Type*> types_seen_;
  std::set<const void*> values_seen_;
  std::vector<c10::TypePtr> held_;  // an address stands for one type
};

// The function that a call ends in; null for what is no call or has no graph.
Function* Callee(const Node& node) {
  Function* callee = nullptr;
  if (node.kind() == c10::prim::CallFunction) {
    if (const auto type = node.input(0)->type()->cast<c10::FunctionType>()) callee = type->function();
  } else if (node.kind() == c10::prim::CallMethod) {
    if (const auto type = node.input(0)->type()->cast<c10::ClassType>()) {
      callee = type->findMethod(node.s(c10::attr::name));
    }
  }
  return callee != nullptr && callee->isGraphFunction() ? callee : nullptr;
}

// The longest chain of calls, from the bottom up. Code that calls itself is not compiled, so there is an end.
class CallChains {
 public:
  size_t From(Function* root) {
    std::vector<std::pair<Function*, size_t>> path = {{root, 0}};  // and the callee that is next
    while (!path.empty()) {
      auto& [function, next] = path.back();
      const std::vector<Function*>& callees = CalleesOf(function);
      while (next < callees.size() && depth_.contains(callees[next])) ++next;
      if (next < callees.size()) {
        Function* const callee = callees[next++];
        depth_.emplace(callee, 1);  // until it is known: nothing is entered twice
        path.emplace_back(callee, 0);
        continue;
      }
      size_t depth = 1;
      for (const Function* callee : callees) depth = std::max(depth, depth_[callee] + 1);
      depth_[function] = depth;
      path.pop_back();
    }
    return depth_[root];
  }

 private:
  const std::vector<Function*>& CalleesOf(Function* function) {
    const auto [found, is_new] = callees_.try_emplace(function);
    if (!is_new) return found->second;
    std::vector<const torch::jit::Block*> blocks = {torch::jit::toGraphFunction(*function).graph()->block()};
    while (!blocks.empty()) {
      const torch::jit::Block* block = blocks.back();
      blocks.pop_back();
      for (const Node* node : block->nodes()) {
        if (Function* callee = Callee(*node)) found->second.push_back(callee);
        blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
        if (node->hasAttribute(c10::attr::Subgraph)) blocks.push_back(node->g(c10::attr::Subgraph)->block());
      }
    }
    return found->second;
  }

  std::map<const Function*, size_t> depth_;
  std::map<const Function*, std::vector<Function*>> callees_;
};

}  // namespace

absl::Status WalkGraphs(const torch::jit::Module& module, const NodeVisitor& visit, const ClassVisitor& visit_class) {
  GraphWalk walk(visit, visit_class);
  walk.Add(c10::IValue(module._ivalue()));
  return walk.Run();
}

absl::Status WalkGraphs(Function& function, const NodeVisitor& visit, const ClassVisitor& visit_class) {
  GraphWalk walk(visit, visit_class);
  walk.Add(&function);
  return walk.Run();
}

size_t CallDepth(const torch::jit::Module& module) {
  size_t deepest = 0;
  CallChains chains;
  const ClassVisitor of_class = [&](const c10::ClassType& type) {
    for (Function* method : type.methods()) {
      if (method->isGraphFunction()) deepest = std::max(deepest, chains.From(method));
    }
    return absl::OkStatus();
  };
  const NodeVisitor of_node = [](const Node&, const std::string&) { return absl::OkStatus(); };
  WalkGraphs(module, of_node, of_class).IgnoreError();
  return deepest;
}

size_t CallDepth(Function& function) { return function.isGraphFunction() ? CallChains().From(&function) : 0; }

}  // namespace torchferry::libtorch
