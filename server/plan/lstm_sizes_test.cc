#include "server/plan/lstm_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/plan/program_signature.h"
#include "server/plan/test_program.h"

namespace torchferry::plan {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::GraphArgument;
using testing::Argument;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Free;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using testing::Known;
using testing::Sizes;
using ::testing::UnorderedElementsAre;
using Kind = GraphArgument::Kind;

void Add(ExportedGraph& graph, const std::string& target, const std::vector<std::pair<std::string, GraphArgument>>& in,
         const std::vector<std::pair<std::string, Sizes>>& out) {
  checkpoint::GraphNode node;
  node.target = target;
  for (const auto& [name, value] : in) node.inputs.push_back({name, value});
  for (const auto& [name, sizes] : out) {
    node.outputs.push_back(Argument(Kind::kTensor, name));
    graph.tensors[name] = {"float32", "cpu", "strided", sizes};
  }
  graph.nodes.push_back(std::move(node));
}

// y [rows, 7, 6], and of h and c what PyTorch says.
ExportedGraph Lstm(bool is_right = false) {
  ExportedGraph graph;
  graph.tensors["x"] = {"float32", "cpu", "strided", {Free("s0"), Known(7), Known(3)}};
  const Sizes state =
      is_right ? Sizes{Known(2), Free("s0"), Known(6)} : Sizes{Known(2), Known(1), Free("s0"), Known(6)};
  Add(graph, "torch.ops.aten.lstm.input", {{"input", Argument(Kind::kTensor, "x")}},
      {{"y", {Free("s0"), Known(7), Known(6)}}, {"h", state}, {"c", state}});
  return graph;
}

GraphArgument T(const std::string& name) { return Argument(Kind::kTensor, name); }
GraphArgument Int(int64_t value) { return Argument(Kind::kInt, "", value); }

std::vector<std::string> Text(const Sizes& sizes) {
  std::vector<std::string> text;
  for (const checkpoint::ExportedSize& size : sizes) {
    text.push_back(size.known.has_value() ? std::to_string(*size.known) : size.symbol);
  }
  return text;
}

TEST(LstmSizesTest, TheStatesHaveThreeDimensions) {
  const LstmSizes sizes = FindLstmSizes(Lstm());
  EXPECT_THAT(sizes.right, UnorderedElementsAre(Key("h"), Key("c")));
  EXPECT_THAT(Text(sizes.right.at("h")), ElementsAre("2", "s0", "6"));
  EXPECT_THAT(sizes.unknown, IsEmpty());
  EXPECT_THAT(FindLstmSizes(Lstm(/*is_right=*/true)).right, IsEmpty());
}

TEST(LstmSizesTest, TheLastLayersStateIsFollowed) {
  ExportedGraph graph = Lstm();
  Add(graph, "torch.ops.aten.select.int", {{"self", T("h")}, {"dim", Int(0)}, {"index", Int(-1)}},
      {{"last", {Known(1), Free("s0"), Known(6)}}});
  Add(graph, "torch.ops.aten.linear.default", {{"input", T("last")}, {"weight", T("w")}},
      {{"logits", {Known(1), Free("s0"), Known(4)}}});
  Add(graph, "torch.ops.aten.cat.default", {{"tensors", T("last")}, {"dim", Int(1)}},
      {{"cat", {Known(1), Free("s0"), Known(6)}}});
  Add(graph, "torch.ops.aten.select.int", {{"self", T("h")}, {"dim", Int(1)}, {"index", Int(0)}},
      {{"row", {Known(2), Free("s0"), Known(6)}}});
  Add(graph, "torch.ops.aten.relu.default", {{"self", T("row")}}, {{"relu", {Known(2), Free("s0"), Known(6)}}});
  Add(graph, "torch.ops.aten.relu.default", {{"self", T("y")}}, {{"known", {Free("s0"), Known(7), Known(6)}}});
  Add(graph, "torch.ops.aten.reshape.default", {{"self", T("row")}}, {{"reshaped", {Free("s0"), Known(12)}}});
  const LstmSizes sizes = FindLstmSizes(graph);
  EXPECT_THAT(Text(sizes.right.at("logits")), ElementsAre("s0", "4"));
  EXPECT_THAT(sizes.unknown, UnorderedElementsAre("cat", "row", "relu"));
  EXPECT_THAT(sizes.right, ::testing::Not(Contains(Key("known"))));
}

TEST(LstmSizesTest, BothDirectionsStatesAreFollowed) {
  ExportedGraph graph = Lstm();
  const Sizes state = {Known(1), Free("s0"), Known(6)};
  GraphArgument both = Argument(Kind::kList);
  for (const char* name : {"a", "b"}) {
    Add(graph, "torch.ops.aten.select.int", {{"self", T("h")}, {"dim", Int(0)}, {"index", Int(-1)}}, {{name, state}});
    const std::string whole = std::string(name) + "_whole";
    Add(graph, "torch.ops.aten.slice.Tensor", {{"self", T(name)}, {"dim", Int(1)}}, {{whole, state}});
    both.items.push_back(T(whole));
  }
  const Sizes joined = {Known(1), Free("s0"), Known(12)};
  Add(graph, "torch.ops.aten.cat.default", {{"tensors", both}, {"dim", Int(-1)}}, {{"joined", joined}});
  Add(graph, "torch.ops.aten.cat.default", {{"tensors", both}, {"dim", Int(1)}}, {{"other", joined}});
  Add(graph, "torch.ops.aten.slice.Tensor", {{"self", T("a")}, {"dim", Int(1)}, {"start", Int(1)}}, {{"part", state}});
  const LstmSizes sizes = FindLstmSizes(graph);
  EXPECT_THAT(Text(sizes.right.at("joined")), ElementsAre("s0", "12"));
  EXPECT_THAT(sizes.unknown, UnorderedElementsAre("other", "part"));
}

TEST(LstmSizesTest, WhatAGraphInsideComputesOfThemIsUnknown) {
  ExportedGraph graph;
  GraphArgument inner = Argument(Kind::kGraph);
  inner.graph = std::make_shared<const ExportedGraph>(Lstm());
  Add(graph, "torch.ops.higher_order.wrap_with_set_grad_enabled", {{"", Argument(Kind::kBool)}, {"", inner}},
      {{"out", {Free("s0"), Known(1)}}});
  EXPECT_THAT(FindLstmSizes(graph).unknown, ElementsAre("out"));
}

TEST(LstmSizesTest, AProgramsSignatureHasThem) {
  checkpoint::ExportedProgram program =
      testing::ProgramBuilder().Input("x", {Free("s0"), Known(7), Known(3)}).Output("h", T("h")).Build();
  ExportedGraph lstm = Lstm();
  program.graph.nodes = lstm.nodes;
  program.graph.tensors.merge(lstm.tensors);
  const auto signature = DescribeProgram(program);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_THAT(signature->outputs[0].shape(), ElementsAre(2, -1, 6));
  Add(program.graph, "torch.ops.aten.cat.default", {{"tensors", T("h")}}, {{"cat", {Known(2), Known(1), Free("s0")}}});
  program.outputs[0].value = T("cat");
  const auto unknown = DescribeProgram(program);
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_FALSE(unknown->outputs[0].are_sizes_known);
  const ProgramTensor* output = &unknown->outputs[0];
  EXPECT_THAT(FindRows(*unknown, {&output, 1}).decision, HasSubstr("h.reshape"));
}

}  // namespace
}  // namespace torchferry::plan
