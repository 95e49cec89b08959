#include "server/torch/program/program_module.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string_view>

#include "server/torch/device/convert.h"
#include "server/torch/program/jit_target.h"
#include "server/torch/program/program_nodes.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::GraphArgument;
using checkpoint::ProgramInput;
using checkpoint::ProgramOutput;
using Kind = GraphArgument::Kind;

// Of the value that the caller gives: what the graph says of it.
c10::TypePtr TypeOfInput(const checkpoint::ExportedProgram& program, const std::string& name) {
  for (const GraphArgument& input : program.graph.inputs) {
    if (input.text != name) continue;
    if (input.kind == Kind::kTensor) return c10::TensorType::get();
    if (input.kind == Kind::kSymInt) return c10::IntType::get();
  }
  throw std::invalid_argument(fmt::format("input \"{}\" is neither a tensor nor an int", name));
}

// Whether an operator of the graph trains, dropout or batch norm: graph/training_mode.h then makes it compute as in
// eval mode.
bool Trains(const checkpoint::ExportedGraph& graph) {
  for (const checkpoint::GraphNode& node : graph.nodes) {
    for (const checkpoint::NamedArgument& input : node.inputs) {
      if (input.value.graph != nullptr && Trains(*input.value.graph)) return true;
      const std::string_view name = input.name;
      const bool is_on = input.value.kind == Kind::kBool && input.value.integer != 0;
      if (is_on && (name == "train" || name == "training")) return true;
      if (name == "dropout_p" && input.value.number > 0) return true;
    }
  }
  return false;
}

torch::jit::Module Convert(const checkpoint::ExportedProgram& program, const std::vector<size_t>& results,
                           torch::jit::Module module) {
  if (Trains(program.graph)) module.register_attribute("training", c10::BoolType::get(), true);
  JitTarget target(std::move(module));
  ProgramNodes nodes(target);
  Scope scope;
  for (const ProgramInput& input : program.inputs) {
    if (input.kind == ProgramInput::Kind::kSpecialised) continue;
    scope[input.name] = input.kind == ProgramInput::Kind::kUser
                            ? target.Input(input.name, TypeOfInput(program, input.name))
                            : target.Weight(input.key);
  }
  nodes.Make(program.graph, scope);
  ProgramTarget::Values values;
  for (const size_t result : results) {
    values.push_back(nodes.arguments().AsTensor(program.outputs.at(result).value, scope));
  }
  for (const ProgramOutput& output : program.outputs) {
    if (output.kind == ProgramOutput::Kind::kBufferMutation) {
      target.Write(output.key, nodes.arguments().Any(output.value, scope));
    }
  }
  if (values.empty()) throw std::invalid_argument("it gives no tensor");
  target.Return(values);
  return target.Finish();
}

}  // namespace

absl::StatusOr<torch::jit::Module> ModuleFromProgram(const checkpoint::ExportedProgram& program,
                                                     const std::vector<size_t>& results, torch::jit::Module module) {
  try {
    return Convert(program, results, std::move(module));
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace torchferry::libtorch
