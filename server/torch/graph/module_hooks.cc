#include "server/torch/graph/module_hooks.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/frontend/schema_matching.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Value;

bool IsNone(const c10::TypePtr& type) { return type->kind() == c10::TypeKind::NoneType; }

class Builder {
 public:
  Builder(Graph& graph, Value* model) : graph_(graph), model_(model) {}

  Value* Call(torch::jit::Function& function, std::vector<Value*> arguments) {
    arguments.insert(arguments.begin(), model_);
    const c10::TypePtr& result = function.getSchema().returns()[0].type();
    return graph_.insertFunctionCall(&function, {std::move(arguments), {result}, std::nullopt, function.name()});
  }

  // What a pre-hook gives in place of the arguments that it got; one alone need not be a tuple.
  std::vector<Value*> Replaced(const std::vector<Value*>& arguments, Value* given) {
    if (IsNone(given->type())) return arguments;
    if (given->type()->kind() != c10::TypeKind::TupleType) return {given};
    const auto values = torch::jit::createTupleUnpack(given);
    return {values.begin(), values.end()};
  }

  Value* Tuple(const std::vector<Value*>& values) { return graph_.insertNode(graph_.createTuple(values))->output(); }

 private:
  Graph& graph_;
  Value* const model_;
};

// A module that holds `module` as "model", with a `forward` of the arguments of `method`, which `body` makes the graph
// of: it gets the arguments and gives the result.
template <typename Body>
Module Around(const Module& module, const std::string& name, torch::jit::Function& method, const Body& body) {
  const auto type = module.type();
  // In the same compilation unit, which has the types of the arguments.
  Module outer(c10::QualifiedName(*type->name(), name), type->compilation_unit());
  outer.register_module("model", module);

  const auto graph = std::make_shared<Graph>();
  Value* const self = graph->addInput("self")->setType(outer.type());
  Builder builder(*graph, graph->insertGetAttr(self, "model"));
  std::vector<Value*> arguments;
  std::vector<c10::Argument> schema_arguments = {c10::Argument("self", outer.type())};
  for (size_t i = 1; i < method.getSchema().arguments().size(); ++i) {
    const c10::Argument& argument = method.getSchema().arguments()[i];
    arguments.push_back(graph->addInput(argument.name())->setType(argument.type()));
    schema_arguments.push_back(argument);
  }
  graph->registerOutput(body(builder, std::move(arguments)));
  torch::jit::Inline(*graph);  // a clone of the module would not find functions that are called by address

  auto* const function =
      outer._ivalue()->compilation_unit()->create_function(c10::QualifiedName(*outer.type()->name(), "forward"), graph);
  function->setSchema(c10::FunctionSchema("forward", "", std::move(schema_arguments),
                                          {c10::Argument("", graph->outputs()[0]->type())}));
  outer.type()->addMethod(function);
  return outer;
}

}  // namespace

Module WithHooks(const Module& module) {
  const auto type = module.type();
  if (type->getForwardHooks().empty() && type->getForwardPreHooks().empty()) return module;
  torch::jit::Function& forward = module.get_method("forward").function();
  return Around(module, "WithHooks", forward, [&](Builder& builder, std::vector<Value*> arguments) {
    for (torch::jit::Function* hook : type->getForwardPreHooks()) {
      arguments = builder.Replaced(arguments, builder.Call(*hook, {builder.Tuple(arguments)}));
    }
    Value* result = builder.Call(forward, arguments);
    for (torch::jit::Function* hook : type->getForwardHooks()) {
      Value* const given = builder.Call(*hook, {builder.Tuple(arguments), result});
      if (!IsNone(given->type())) result = given;
    }
    return result;
  });
}

Module CallingMethod(const Module& module, const std::string& name) {
  torch::jit::Function& method = module.get_method(name).function();
  return Around(module, "CallingMethod", method, [&](Builder& builder, const std::vector<Value*>& arguments) {
    return builder.Call(method, arguments);
  });
}

}  // namespace torchferry::libtorch
