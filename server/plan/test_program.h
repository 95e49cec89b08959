// Programs written by hand, for tests: the result of reading a torch.export file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/checkpoint/exported_program.h"

namespace torchferry::plan::testing {

inline checkpoint::ExportedSize Known(int64_t known) {
  checkpoint::ExportedSize size;
  size.known = known;
  return size;
}

inline checkpoint::ExportedSize Free(std::string symbol, int64_t factor = 1) {
  checkpoint::ExportedSize size;
  size.symbol = std::move(symbol);
  size.factor = factor;
  return size;
}

inline checkpoint::GraphArgument Argument(checkpoint::GraphArgument::Kind kind, std::string text = "",
                                          int64_t integer = 0) {
  checkpoint::GraphArgument argument;
  argument.kind = kind;
  argument.text = std::move(text);
  argument.integer = integer;
  return argument;
}

using Sizes = std::vector<checkpoint::ExportedSize>;

// Builds a program of one graph, in the order of the calls.
class ProgramBuilder {
 public:
  ProgramBuilder& Input(const std::string& name, Sizes sizes, const std::string& dtype = "float32") {
    AddTensor(name, std::move(sizes), dtype);
    program_.graph.inputs.push_back(Argument(Kind::kTensor, name));
    program_.inputs.emplace_back().name = name;
    return *this;
  }

  ProgramBuilder& Number(const std::string& name, checkpoint::GraphArgument::Kind kind = Kind::kSymInt) {
    program_.graph.inputs.push_back(Argument(kind, name));
    program_.inputs.emplace_back().name = name;
    return *this;
  }

  ProgramBuilder& Fixed(const std::string& name, checkpoint::GraphArgument value) {
    checkpoint::ProgramInput input;
    input.kind = checkpoint::ProgramInput::Kind::kSpecialised;
    input.name = name;
    input.value = std::move(value);
    program_.inputs.push_back(std::move(input));
    return *this;
  }

  // `name`: the output's key in the program's result.
  ProgramBuilder& Output(const std::string& name, Sizes sizes, const std::string& dtype = "float32") {
    const std::string value = "result_" + std::to_string(program_.outputs.size());
    AddTensor(value, std::move(sizes), dtype);
    return Output(name, Argument(Kind::kTensor, value));
  }

  ProgramBuilder& Output(const std::string& name, checkpoint::GraphArgument value) {
    checkpoint::ProgramOutput output;
    output.value = std::move(value);
    output.name = name;
    program_.outputs.push_back(std::move(output));
    return *this;
  }

  ProgramBuilder& Range(const std::string& symbol, int64_t min, std::optional<int64_t> max = std::nullopt) {
    program_.ranges[symbol] = {min, max};
    return *this;
  }

  ProgramBuilder& Node(const std::string& target, std::vector<checkpoint::GraphArgument> inputs = {}) {
    checkpoint::GraphNode node;
    node.target = target;
    for (checkpoint::GraphArgument& input : inputs) node.inputs.push_back({"", std::move(input)});
    program_.graph.nodes.push_back(std::move(node));
    return *this;
  }

  checkpoint::ExportedProgram Build() {
    program_.name = "model";
    return std::move(program_);
  }

 private:
  using Kind = checkpoint::GraphArgument::Kind;

  void AddTensor(const std::string& name, Sizes sizes, const std::string& dtype) {
    program_.graph.tensors[name] = {dtype, "cpu", "strided", std::move(sizes)};
  }

  checkpoint::ExportedProgram program_;
};

}  // namespace torchferry::plan::testing
