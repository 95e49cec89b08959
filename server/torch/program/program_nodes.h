// Makes code of a program's nodes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/checkpoint/exported_graph.h"
#include "server/torch/program/argument_values.h"
#include "server/torch/program/program_target.h"

namespace torchferry::libtorch {

// All functions throw std::invalid_argument "OPERATOR (node NAME): why".
class ProgramNodes {
 public:
  explicit ProgramNodes(ProgramTarget& target) : target_(target), arguments_(target) {}

  // Makes the nodes of `graph` in their order, and adds their results to `scope`.
  void Make(const checkpoint::ExportedGraph& graph, Scope& scope);

  ArgumentValues& arguments() { return arguments_; }

 private:
  struct At {  // where a node stands
    const checkpoint::GraphNode& node;
    const checkpoint::ExportedGraph& graph;
    Scope& scope;
  };

  void MakeNode(const At& at);
  void MakeCall(const c10::OperatorName& name, const At& at);
  void MakeCall(const c10::FunctionSchema& schema, const At& at, const std::string& padding_name = {},
                const std::vector<int64_t>& padding = {});
  bool MakeConvolution(const c10::OperatorName& name, const At& at);
  bool MakeLogical(const c10::OperatorName& name, const At& at);
  void MakeProperty(const std::string& name, const At& at);
  void MakeItem(const At& at);
  void MakeAssert(const At& at);
  void MakeArithmetic(const At& at);

  // higher_order.cc
  void MakeHigherOrder(const At& at);
  ProgramTarget::Values MakeCondition(const At& at);
  ProgramTarget::Values MakeLoop(const At& at);
  ProgramTarget::Values MakeInline(const At& at);
  ProgramTarget::Values MakeGraph(const checkpoint::GraphArgument& graph, const ProgramTarget::Values& operands);
  ProgramTarget::Value AsBool(ProgramTarget::Value value);

  // normal_form.cc
  bool MakeNormalForm(const c10::OperatorName& name, const At& at);
  bool MakeLinear(bool has_bias, const At& at);
  bool MakePlainConvolution(const At& at);
  bool MakeBatchNorm(const At& at);
  static std::optional<size_t> RankOf(const At& at, std::string_view name);

  ProgramTarget::Value Argument(const At& at, const std::string& name);
  std::optional<at::ScalarType> TypeBeside(const At& at) const;
  // Gives the names of a node's outputs to `values`.
  void Bind(const At& at, const ProgramTarget::Values& values);
  void BindOne(const checkpoint::GraphArgument& output, ProgramTarget::Value value, Scope& scope);

  ProgramTarget& target_;
  ArgumentValues arguments_;
  // The matrix of each value that is its transpose.
  std::unordered_map<ProgramTarget::Value, ProgramTarget::Value> turned_;
};

}  // namespace torchferry::libtorch
