// A program written by hand, for the tests.
#pragma once

#include <ATen/ATen.h>
#include <absl/status/statusor.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/exported_program.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/program/program_module.h"

namespace torchferry::libtorch::testing {

using checkpoint::ExportedGraph;
using checkpoint::ExportedProgram;
using checkpoint::ExportedTensor;
using checkpoint::GraphArgument;
using checkpoint::GraphNode;
using checkpoint::NamedArgument;
using checkpoint::ProgramInput;
using checkpoint::ProgramOutput;
using Kind = GraphArgument::Kind;

inline GraphArgument Text(Kind kind, std::string text) {
  GraphArgument argument;
  argument.kind = kind;
  argument.text = std::move(text);
  return argument;
}
inline GraphArgument Tensor(std::string name) { return Text(Kind::kTensor, std::move(name)); }
inline GraphArgument SymInt(std::string name) { return Text(Kind::kSymInt, std::move(name)); }
inline GraphArgument Integer(int64_t value, Kind kind = Kind::kInt) {
  GraphArgument argument;
  argument.kind = kind;
  argument.integer = value;
  return argument;
}
inline GraphArgument Bool(bool value) { return Integer(value ? 1 : 0, Kind::kBool); }
inline GraphArgument Float(double value) {
  GraphArgument argument;
  argument.kind = Kind::kFloat;
  argument.number = value;
  return argument;
}
inline GraphArgument List(Kind kind, std::vector<GraphArgument> items) {
  GraphArgument argument;
  argument.kind = Kind::kList;
  argument.item_kind = kind;
  argument.items = std::move(items);
  return argument;
}
inline GraphArgument Integers(const std::vector<int64_t>& values) {
  std::vector<GraphArgument> items;
  for (const int64_t value : values) items.push_back(Integer(value));
  return List(Kind::kInt, std::move(items));
}
inline GraphArgument Graph(ExportedGraph graph) {
  GraphArgument argument;
  argument.kind = Kind::kGraph;
  argument.graph = std::make_shared<ExportedGraph>(std::move(graph));
  return argument;
}

using Arguments = std::vector<NamedArgument>;

// A program of inputs x, y … of one type, weights, and nodes.
class Builder {
 public:
  explicit Builder(std::string dtype = "float32") : dtype_(std::move(dtype)) {}

  Builder& Input(const std::string& name, Kind kind = Kind::kTensor, size_t rank = 2) {
    program_->inputs.push_back({.name = name, .key = "", .value = {}});
    program_->graph.inputs.push_back(Text(kind, name));
    if (kind == Kind::kTensor) Describe(name, dtype_, rank);
    return *this;
  }
  Builder& Weight(const std::string& name, const std::string& key, const at::Tensor& tensor,
                  ProgramInput::Kind kind = ProgramInput::Kind::kParameter) {
    program_->inputs.push_back({.kind = kind, .name = name, .key = key, .value = {}});
    program_->graph.inputs.push_back(Tensor(name));
    Describe(name, dtype_, static_cast<size_t>(tensor.dim()));
    tensors_.emplace(key, tensor);
    return *this;
  }
  Builder& Node(const std::string& target, Arguments inputs, std::vector<GraphArgument> outputs) {
    program_->graph.nodes.push_back({target, std::move(inputs), std::move(outputs)});
    return *this;
  }
  // A node that gives a tensor.
  Builder& Make(const std::string& name, const std::string& op, Arguments inputs) {
    return Node("torch.ops.aten." + op, std::move(inputs), {Tensor(name)});
  }
  Builder& Output(GraphArgument value) {
    program_->outputs.push_back({.value = std::move(value), .key = "", .name = ""});
    return *this;
  }
  Builder& Mutation(const std::string& key, GraphArgument value) {
    program_->outputs.push_back(
        {.kind = ProgramOutput::Kind::kBufferMutation, .value = std::move(value), .key = key, .name = ""});
    return *this;
  }
  void Describe(const std::string& name, const std::string& dtype, size_t rank) {
    ExportedTensor tensor{.dtype = dtype, .device = "cpu", .layout = "strided", .sizes = {}};
    tensor.sizes.resize(rank);
    program_->graph.tensors[name] = std::move(tensor);
  }

  absl::StatusOr<torch::jit::Module> Module() const {
    std::vector<size_t> results;
    for (size_t i = 0; i < program_->outputs.size(); ++i) {
      if (program_->outputs[i].kind == ProgramOutput::Kind::kUser) results.push_back(i);
    }
    return ModuleFromProgram(*program_, results, ModuleFromKeys(tensors_, {}).value());
  }
  c10::IValue Run(std::vector<c10::IValue> inputs) const { return Module().value().forward(std::move(inputs)); }
  at::Tensor RunOne(std::vector<c10::IValue> inputs) const { return Run(std::move(inputs)).toTensor(); }

 private:
  std::string dtype_;
  std::shared_ptr<ExportedProgram> program_ = std::make_shared<ExportedProgram>();  // a copy builds on the same
  NamedTensors tensors_;
};

inline at::Tensor X() { return at::arange(6, at::kFloat).view({2, 3}) - 2; }

inline void ExpectSame(const at::Tensor& got, const at::Tensor& wanted) {
  EXPECT_EQ(got.scalar_type(), wanted.scalar_type());
  EXPECT_TRUE(at::allclose(got, wanted, 0, 0, /*equal_nan=*/true)) << got << "\nexpected\n" << wanted;
}

inline std::string Refusal(const Builder& builder) { return std::string(base::MessageOf(builder.Module().status())); }

}  // namespace torchferry::libtorch::testing
