// Operators that run graphs.
#include <fmt/format.h>

#include <stdexcept>
#include <string_view>

#include "server/plan/program_operators.h"
#include "server/torch/program/program_nodes.h"
#include "server/torch/program/program_types.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::GraphArgument;
using Kind = GraphArgument::Kind;
using Value = ProgramTarget::Value;
using Values = ProgramTarget::Values;

const GraphArgument& InputAt(const checkpoint::GraphNode& node, size_t index) {
  if (index >= node.inputs.size()) throw std::invalid_argument(fmt::format("has no argument {}", index));
  return node.inputs[index].value;
}

}  // namespace

void ProgramNodes::MakeHigherOrder(const At& at) {
  const std::string_view name = plan::HigherOrderName(at.node.target);
  Values results;
  if (name == "cond") {
    results = MakeCondition(at);
  } else if (name == "while_loop") {
    results = MakeLoop(at);
  } else if (name == "wrap_with_set_grad_enabled" || name == "wrap_with_autocast" || name == "invoke_subgraph" ||
             name == "tag_activation_checkpoint") {
    results = MakeInline(at);
  } else {
    throw std::invalid_argument("is an operator on graphs that is not served");
  }
  // Each is an output of its own, or they are one list.
  std::vector<GraphArgument> names;
  for (const GraphArgument& output : at.node.outputs) {
    if (output.kind == Kind::kList) {
      names.insert(names.end(), output.items.begin(), output.items.end());
    } else {
      names.push_back(output);
    }
  }
  std::erase_if(names, [](const GraphArgument& output) { return output.kind == Kind::kNone; });
  if (names.size() != results.size()) {
    throw std::invalid_argument(fmt::format("has {} outputs; its graph gives {}", names.size(), results.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) BindOne(names[i], results[i], at.scope);
}

Value ProgramNodes::AsBool(Value value) { return target_.Number(c10::TypeKind::BoolType, value); }

Values ProgramNodes::MakeCondition(const At& at) {
  const Value condition = AsBool(arguments_.Any(InputAt(at.node, 0), at.scope));
  const Values operands = at.node.inputs.size() > 3 ? arguments_.Flat(InputAt(at.node, 3), at.scope) : Values();
  return target_.If(
      condition, [&] { return MakeGraph(InputAt(at.node, 1), operands); },
      [&] { return MakeGraph(InputAt(at.node, 2), operands); });
}

Values ProgramNodes::MakeLoop(const At& at) {
  const Values carried = arguments_.Flat(InputAt(at.node, 2), at.scope);
  const Values fixed = at.node.inputs.size() > 3 ? arguments_.Flat(InputAt(at.node, 3), at.scope) : Values();
  const auto run = [&](size_t graph, Values operands) {
    operands.insert(operands.end(), fixed.begin(), fixed.end());
    return MakeGraph(InputAt(at.node, graph), operands);
  };
  return target_.While(
      carried,
      [&](const Values& values) {
        const Values conditions = run(0, values);
        if (conditions.size() != 1) throw std::invalid_argument("its condition gives no single value");
        return Values{AsBool(conditions[0])};
      },
      [&](const Values& values) { return run(1, values); });
}

// The graph is run once, with the arguments behind it. What stands in front of it is how gradients and casts are kept.
Values ProgramNodes::MakeInline(const At& at) {
  constexpr size_t kEnabled = 2;  // device type, element type, enabled, cache enabled, graph
  if (at.node.target.ends_with(".wrap_with_autocast") && InputAt(at.node, kEnabled).integer != 0) {
    throw std::invalid_argument(
        "autocast is on; ep = ep.run_decompositions({}) before torch.export.save writes its casts");
  }
  const GraphArgument* graph = nullptr;
  Values operands;
  for (const checkpoint::NamedArgument& input : at.node.inputs) {
    if (graph == nullptr) {
      if (input.value.kind == Kind::kGraph) graph = &input.value;
    } else if (input.value.kind != Kind::kString) {  // invoke_subgraph calls its graph a name
      const Values values = arguments_.Flat(input.value, at.scope);
      operands.insert(operands.end(), values.begin(), values.end());
    }
  }
  if (graph == nullptr) throw std::invalid_argument("has no graph");
  return MakeGraph(*graph, operands);
}

Values ProgramNodes::MakeGraph(const GraphArgument& argument, const Values& operands) {
  if (argument.kind != Kind::kGraph || argument.graph == nullptr) throw std::invalid_argument("has no graph");
  const ExportedGraph& graph = *argument.graph;
  if (graph.inputs.size() != operands.size()) {
    throw std::invalid_argument(
        fmt::format("its graph takes {} values and gets {}", graph.inputs.size(), operands.size()));
  }
  Scope scope;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!graph.inputs[i].text.empty()) scope[graph.inputs[i].text] = operands[i];
  }
  Make(graph, scope);
  Values results;
  for (const GraphArgument& output : graph.outputs) {
    if (output.kind != Kind::kNone) results.push_back(arguments_.Any(output, scope));
  }
  return results;
}

}  // namespace torchferry::libtorch
