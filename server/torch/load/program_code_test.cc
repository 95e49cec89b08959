// What is not one operator of a program: assertions, numbers, buffers, branches, and what is refused.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/torch/load/test_program.h"

namespace torchferry::libtorch::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ProgramCodeTest, WhatHoldsItToItsDeviceIsLeftOut) {
  ExpectSame(Builder()
                 .Input("x")
                 .Node("torch.ops.aten._assert_tensor_metadata.default",
                       {{"a", Tensor("x")}, {"device", Text(Kind::kDevice, "cuda:0")}}, {})
                 .Output(Tensor("x"))
                 .RunOne({X()}),
             X());
}

TEST(ProgramCodeTest, AnAssertionThatFailsSaysSo) {
  Builder builder;
  builder.Input("x")
      .Node("torch.ops.aten.item.default", {{"self", Tensor("x")}}, {SymInt("n")})
      .Node("_operator.ge", {{"a", SymInt("n")}, {"b", Integer(1)}}, {Text(Kind::kSymBool, "ok")})
      .Node("torch.ops.aten._assert_scalar.default",
            {{"self", Text(Kind::kSymBool, "ok")}, {"assert_msg", Text(Kind::kString, "u0 >= 1 is not true")}}, {})
      .Make("y", "full.default", {{"size", List(Kind::kSymInt, {SymInt("n")})}, {"fill_value", Float(1)}})
      .Output(Tensor("y"));
  ExpectSame(builder.RunOne({at::scalar_tensor(3, at::kLong)}), at::ones({3}));
  EXPECT_THAT([&] { builder.RunOne({at::scalar_tensor(0, at::kLong)}); },
              ::testing::ThrowsMessage<std::exception>(HasSubstr("u0 >= 1 is not true")));
}

TEST(ProgramCodeTest, ArithmeticOnSizes) {
  const auto run = [](const std::string& target, std::vector<GraphArgument> values, Kind kind) {
    Builder builder;
    builder.Input("n", Kind::kSymInt);
    Arguments arguments;
    for (GraphArgument& value : values) arguments.push_back({"", std::move(value)});
    builder.Node(target, std::move(arguments), {Text(kind, "y")}).Output(Text(kind, "y"));
    return builder.RunOne({int64_t{-7}});
  };
  const auto whole = [](int64_t value) { return at::scalar_tensor(value, at::kLong); };
  ExpectSame(run("_operator.floordiv", {SymInt("n"), Integer(2)}, Kind::kSymInt), whole(-4));
  ExpectSame(run("_operator.mod", {SymInt("n"), Integer(3)}, Kind::kSymInt), whole(2));
  ExpectSame(run("_operator.pow", {SymInt("n"), Integer(2)}, Kind::kSymInt), whole(49));
  ExpectSame(run("_operator.truediv", {SymInt("n"), Integer(2)}, Kind::kSymFloat), at::scalar_tensor(-3.5));
  ExpectSame(run("torch.sym_max", {SymInt("n"), Integer(2)}, Kind::kSymInt), whole(2));
  ExpectSame(run("torch.sym_float", {SymInt("n")}, Kind::kSymFloat), at::scalar_tensor(-7.));
  ExpectSame(run("_operator.neg", {SymInt("n")}, Kind::kSymInt), whole(7));
  ExpectSame(run("math.trunc", {Float(-1.5)}, Kind::kSymInt), whole(-1));
  ExpectSame(run("_operator.lt", {SymInt("n"), Integer(2)}, Kind::kSymBool), at::scalar_tensor(true, at::kBool));
}

TEST(ProgramCodeTest, ListsOfTensors) {
  const Builder builder = Builder()
                              .Input("x")
                              .Node("torch.ops.aten.split.Tensor", {{"self", Tensor("x")}, {"split_size", Integer(1)}},
                                    {List(Kind::kTensor, {Tensor("a"), Tensor("b")})})
                              .Make("y", "cat.default", {{"tensors", List(Kind::kTensor, {Tensor("b"), Tensor("a")})}})
                              .Output(Tensor("y"));
  ExpectSame(builder.RunOne({X()}), X().flip(0));
  const Builder index =
      Builder()
          .Input("x")
          .Input("i", Kind::kTensor, 1)
          .Make("y", "index.Tensor",
                {{"self", Tensor("x")}, {"indices", List(Kind::kNone, {GraphArgument(), Tensor("i")})}})
          .Output(Tensor("y"));
  ExpectSame(index.RunOne({X(), at::tensor({2, 0})}), X().index_select(1, at::tensor({2, 0})));
}

TEST(ProgramCodeTest, BuffersAreWrittenInBothForms) {
  for (const bool is_functional : {true, false}) {
    Builder builder;
    builder.Weight("b", "count", at::zeros({}), ProgramInput::Kind::kBuffer).Input("x");
    if (is_functional) {
      builder.Make("n", "add.Tensor", {{"self", Tensor("b")}, {"other", Integer(1)}}).Mutation("count", Tensor("n"));
    } else {
      builder.Make("n", "add_.Tensor", {{"self", Tensor("b")}, {"other", Integer(1)}});
    }
    builder.Make("y", "add.Tensor", {{"self", Tensor("x")}, {"other", Tensor("n")}}).Output(Tensor("y"));
    torch::jit::Module module = builder.Module().value();
    for (int i = 1; i < 4; ++i) ExpectSame(module.forward({X()}).toTensor(), X() + i);
  }
}

ExportedGraph Branch(const std::string& op) {
  ExportedGraph graph;
  graph.inputs = {Tensor("a")};
  graph.nodes.push_back({"torch.ops.aten." + op, {{"self", Tensor("a")}}, {Tensor("r")}});
  graph.outputs = {Tensor("r")};
  return graph;
}

TEST(ProgramCodeTest, Conditions) {
  const Builder builder = Builder()
                              .Input("x")
                              .Make("sum", "sum.default", {{"self", Tensor("x")}})
                              .Make("p", "gt.Scalar", {{"self", Tensor("sum")}, {"other", Integer(0)}})
                              .Node("torch.ops.higher_order.cond",
                                    {{"", Tensor("p")},
                                     {"", Graph(Branch("sin.default"))},
                                     {"", Graph(Branch("neg.default"))},
                                     {"", List(Kind::kTensor, {Tensor("x")})}},
                                    {List(Kind::kTensor, {Tensor("y")})})
                              .Output(Tensor("y"));
  ExpectSame(builder.RunOne({X()}), X().sin());
  ExpectSame(builder.RunOne({-X()}), X());
}

TEST(ProgramCodeTest, Loops) {
  ExportedGraph condition;
  condition.inputs = {Tensor("a"), Tensor("limit")};
  condition.nodes = {{"torch.ops.aten.sum.default", {{"self", Tensor("a")}}, {Tensor("s")}},
                     {"torch.ops.aten.lt.Tensor", {{"self", Tensor("s")}, {"other", Tensor("limit")}}, {Tensor("r")}}};
  condition.outputs = {Tensor("r")};
  ExportedGraph body;
  body.inputs = {Tensor("a"), Tensor("limit")};
  body.nodes = {{"torch.ops.aten.mul.Tensor", {{"self", Tensor("a")}, {"other", Integer(2)}}, {Tensor("r")}}};
  body.outputs = {Tensor("r")};
  const Builder builder = Builder()
                              .Input("x")
                              .Input("limit", Kind::kTensor, 0)
                              .Node("torch.ops.higher_order.while_loop",
                                    {{"", Graph(condition)},
                                     {"", Graph(body)},
                                     {"", List(Kind::kTensor, {Tensor("x")})},
                                     {"", List(Kind::kTensor, {Tensor("limit")})}},
                                    {List(Kind::kTensor, {Tensor("y")})})
                              .Output(Tensor("y"));
  ExpectSame(builder.RunOne({X(), at::scalar_tensor(20.F)}), X() * 8);
  ExpectSame(builder.RunOne({X(), at::scalar_tensor(-20.F)}), X());
}

TEST(ProgramCodeTest, GraphsThatRunOnceAreInlined) {
  ExpectSame(Builder()
                 .Input("x")
                 .Node("torch.ops.higher_order.wrap_with_set_grad_enabled",
                       {{"", Bool(false)}, {"", Graph(Branch("cos.default"))}, {"", Tensor("x")}},
                       {List(Kind::kTensor, {Tensor("y")})})
                 .Output(Tensor("y"))
                 .RunOne({X()}),
             X().cos());
}

std::string CodeOf(const Builder& builder) { return builder.Module()->get_method("forward").graph()->toString(); }

// As run_decompositions() leaves them.
TEST(ProgramCodeTest, OperatorsThatWereTakenApartAreWhole) {
  const at::Tensor weight = at::rand({4, 3});
  const at::Tensor bias = at::rand({4});
  const Builder linear =
      Builder()
          .Weight("w", "weight", weight)
          .Weight("b", "bias", bias)
          .Input("x")
          .Make("t", "permute.default", {{"self", Tensor("w")}, {"dims", Integers({1, 0})}})
          .Make("y", "addmm.default", {{"self", Tensor("b")}, {"mat1", Tensor("x")}, {"mat2", Tensor("t")}})
          .Output(Tensor("y"));
  EXPECT_THAT(CodeOf(linear), HasSubstr("aten::linear"));
  EXPECT_TRUE(at::allclose(linear.RunOne({X()}), at::linear(X(), weight, bias)));

  const at::Tensor kernel = at::rand({4, 3, 3, 3});
  const at::Tensor image = at::rand({1, 3, 8, 8});
  Arguments arguments = {{"input", Tensor("x")},        {"weight", Tensor("w")},
                         {"bias", Tensor("b")},         {"stride", Integers({2, 2})},
                         {"padding", Integers({1, 1})}, {"dilation", Integers({1, 1})},
                         {"transposed", Bool(false)},   {"output_padding", Integers({0, 0})},
                         {"groups", Integer(1)}};
  const Builder convolution = Builder()
                                  .Weight("w", "weight", kernel)
                                  .Weight("b", "bias", bias)
                                  .Input("x", Kind::kTensor, 4)
                                  .Make("y", "convolution.default", arguments)
                                  .Output(Tensor("y"));
  EXPECT_THAT(CodeOf(convolution), HasSubstr("aten::conv2d"));
  EXPECT_TRUE(at::allclose(convolution.RunOne({image}), at::conv2d(image, kernel, bias, 2, 1), 1e-5, 1e-5));

  const auto norm = [&](const std::string& third) {
    return Builder()
        .Weight("m", "mean", at::full({3}, 1.F))
        .Weight("v", "var", at::full({3}, 4.F))
        .Input("x")
        .Node("torch.ops.aten._native_batch_norm_legit_no_training.default",
              {{"input", Tensor("x")},
               {"weight", GraphArgument()},
               {"bias", GraphArgument()},
               {"running_mean", Tensor("m")},
               {"running_var", Tensor("v")},
               {"momentum", Float(0.1)},
               {"eps", Float(0)}},
              {Tensor("y"), Tensor("y_unused_1"), Tensor(third)})
        .Output(Tensor("y"));
  };
  EXPECT_THAT(CodeOf(norm("y_unused_2")), HasSubstr("aten::batch_norm"));
  EXPECT_THAT(CodeOf(norm("read")), HasSubstr("_native_batch_norm_legit_no_training"));
  ExpectSame(norm("y_unused_2").RunOne({X()}), (X() - 1) / 2);
}

TEST(ProgramCodeTest, WhatTrainsMaySayThatItDoes) {
  const auto dropout = [](bool train) {
    return Builder()
        .Input("x")
        .Make("y", "dropout.default", {{"input", Tensor("x")}, {"p", Float(0.5)}, {"train", Bool(train)}})
        .Output(Tensor("y"));
  };
  EXPECT_TRUE(dropout(true).Module()->is_training());
  EXPECT_FALSE(dropout(false).Module()->hasattr("training"));
}

TEST(ProgramCodeTest, WhatCannotBeMadeNamesTheNode) {
  const auto refusal = [](const std::string& target, Arguments arguments) {
    return Refusal(Builder().Input("x").Node(target, std::move(arguments), {Tensor("y")}).Output(Tensor("y")));
  };
  EXPECT_THAT(refusal("torch.ops.torchvision.nms.default", {}),
              AllOf(HasSubstr("torch.ops.torchvision.nms.default (node \"y\")"), HasSubstr("no such operator")));
  EXPECT_THAT(refusal("torch.ops.aten.relu.default", {}), HasSubstr("argument \"self\" is missing"));
  EXPECT_THAT(refusal("torch.ops.aten.relu.default", {{"self", Tensor("z")}}), HasSubstr("no value \"z\""));
  EXPECT_THAT(refusal("torch.ops.aten.relu.default", {{"self", Tensor("x")}, {"inplace", Bool(true)}}),
              HasSubstr("no argument \"inplace\""));
  EXPECT_THAT(refusal("torch.ops.higher_order.map_impl", {}), HasSubstr("not served"));
  // What TorchScript has and no dispatcher.
  EXPECT_THAT(refusal("torch.ops.aten.save.default", {}), HasSubstr("no such operator"));
  EXPECT_THAT(refusal("torch.ops.prim.Print.default", {}), HasSubstr("no such operator"));
  EXPECT_THAT(refusal("os.system", {{"", Text(Kind::kString, "true")}}), HasSubstr("no operator"));
}

}  // namespace
}  // namespace torchferry::libtorch::testing
