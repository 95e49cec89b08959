#include "server/torch/program/program_module.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/torch/load/state_dict.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::ExportedProgram;
using checkpoint::ExportedSize;
using checkpoint::ExportedTensor;
using checkpoint::GraphArgument;
using checkpoint::GraphNode;
using checkpoint::NamedArgument;
using checkpoint::ProgramInput;
using checkpoint::ProgramOutput;
using Kind = GraphArgument::Kind;
using ::testing::AllOf;
using ::testing::HasSubstr;

GraphArgument Text(Kind kind, std::string text) {
  GraphArgument argument;
  argument.kind = kind;
  argument.text = std::move(text);
  return argument;
}
GraphArgument Tensor(std::string name) { return Text(Kind::kTensor, std::move(name)); }
GraphArgument SymInt(std::string name) { return Text(Kind::kSymInt, std::move(name)); }
GraphArgument Integer(int64_t value, Kind kind = Kind::kInt) {
  GraphArgument argument;
  argument.kind = kind;
  argument.integer = value;
  return argument;
}
GraphArgument Bool(bool value) { return Integer(value ? 1 : 0, Kind::kBool); }
GraphArgument Float(double value) {
  GraphArgument argument;
  argument.kind = Kind::kFloat;
  argument.number = value;
  return argument;
}
GraphArgument List(Kind kind, std::vector<GraphArgument> items) {
  GraphArgument argument;
  argument.kind = Kind::kList;
  argument.item_kind = kind;
  argument.items = std::move(items);
  return argument;
}
GraphArgument Integers(const std::vector<int64_t>& values) {
  std::vector<GraphArgument> items;
  for (const int64_t value : values) items.push_back(Integer(value));
  return List(Kind::kInt, std::move(items));
}
GraphArgument Graph(ExportedGraph graph) {
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
  // One that gives a tensor.
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

at::Tensor X() { return at::arange(6, at::kFloat).view({2, 3}) - 2; }

void ExpectSame(const at::Tensor& got, const at::Tensor& wanted) {
  EXPECT_EQ(got.scalar_type(), wanted.scalar_type());
  EXPECT_TRUE(at::allclose(got, wanted, 0, 0, /*equal_nan=*/true)) << got << "\nexpected\n" << wanted;
}

std::string Refusal(const Builder& builder) { return std::string(base::MessageOf(builder.Module().status())); }

TEST(ProgramModuleTest, WeightsAreWhereTheirKeysSay) {
  const at::Tensor weight = at::rand({4, 3});
  const Builder builder = Builder()
                              .Weight("p_w", "layers.0.weight", weight)
                              .Weight("b_k", "scale", at::full({4}, 2.F), ProgramInput::Kind::kBuffer)
                              .Input("x")
                              .Make("linear", "linear.default", {{"input", Tensor("x")}, {"weight", Tensor("p_w")}})
                              .Make("mul", "mul.Tensor", {{"self", Tensor("linear")}, {"other", Tensor("b_k")}})
                              .Output(Tensor("mul"));
  ExpectSame(builder.RunOne({X()}), at::linear(X(), weight) * 2);
  EXPECT_TRUE(
      builder.Module()->attr("layers").toModule().attr("0").toModule().attr("weight").toTensor().is_same(weight));
}

TEST(ProgramModuleTest, SeveralResultsAreATupleAndNumbersAreTensors) {
  const c10::IValue result =
      Builder()
          .Input("x")
          .Node("torch.ops.aten.sym_size.int", {{"self", Tensor("x")}, {"dim", Integer(0)}}, {SymInt("n")})
          .Output(Tensor("x"))
          .Output(SymInt("n"))
          .Output(Float(1.5))
          .Output(Bool(true))
          .Run({X()});
  const auto& elements = result.toTupleRef().elements();
  ASSERT_EQ(elements.size(), 4U);
  ExpectSame(elements[1].toTensor(), at::scalar_tensor(2, at::kLong));
  ExpectSame(elements[2].toTensor(), at::scalar_tensor(1.5, at::kFloat));
  ExpectSame(elements[3].toTensor(), at::scalar_tensor(true, at::kBool));
}

// Python lets a number stand for a tensor; it promotes as a number does.
TEST(ProgramModuleTest, ANumberForATensorTakesTheScalarForm) {
  const auto add = [](const std::string& dtype, GraphArgument number) {
    return Builder(dtype)
        .Input("x")
        .Make("y", "add.Tensor", {{"self", Tensor("x")}, {"other", std::move(number)}})
        .Output(Tensor("y"));
  };
  ExpectSame(add("float32", Float(0.1)).RunOne({X()}), X() + 0.1);
  ExpectSame(add("float16", Float(0.1)).RunOne({X().to(at::kHalf)}), X().to(at::kHalf) + 0.1);
  ExpectSame(add("int64", Integer(3)).RunOne({X().to(at::kLong)}), X().to(at::kLong) + 3);
  ExpectSame(add("int64", Float(0.5)).RunOne({X().to(at::kLong)}), X().to(at::kLong) + 0.5);
  // A constant without dimensions, which LibTorch makes a Scalar of, must not be a bool then.
  ExpectSame(add("bool", Bool(false)).RunOne({X().to(at::kBool)}), X().to(at::kBool));
  ExpectSame(add("int64", Bool(true)).RunOne({X().to(at::kLong)}), X().to(at::kLong) + 1);
}

TEST(ProgramModuleTest, ANumberWithoutAScalarFormPromotesAsInPython) {
  const auto maximum = [](const std::string& dtype, GraphArgument number, size_t rank = 2) {
    Builder builder(dtype);
    builder.Input("x", Kind::kTensor, rank)
        .Make("y", "maximum.default", {{"self", Tensor("x")}, {"other", std::move(number)}})
        .Output(Tensor("y"));
    return builder;
  };
  ExpectSame(maximum("float64", Float(0.1)).RunOne({X().to(at::kDouble)}), X().to(at::kDouble).clamp_min(0.1));
  ExpectSame(maximum("float16", Float(0.5)).RunOne({X().to(at::kHalf)}), X().to(at::kHalf).clamp_min(0.5));
  ExpectSame(maximum("int32", Integer(1)).RunOne({X().to(at::kInt)}), X().to(at::kInt).clamp_min(1));
  ExpectSame(maximum("float16", Float(0.5), 0).RunOne({at::scalar_tensor(0.25, at::kHalf)}),
             at::scalar_tensor(0.5, at::kHalf));
}

TEST(ProgramModuleTest, ABoolStaysOne) {
  const Builder full = Builder()
                           .Input("x")
                           .Make("y", "full.default", {{"size", Integers({2})}, {"fill_value", Bool(true)}})
                           .Output(Tensor("y"));
  ExpectSame(full.RunOne({X()}), at::full({2}, true, at::kBool));
  const Builder both = Builder("bool")
                           .Input("x")
                           .Make("y", "__and__.Scalar", {{"self", Tensor("x")}, {"other", Bool(true)}})
                           .Output(Tensor("y"));
  const at::Tensor flags = at::tensor({1, 0}).to(at::kBool);
  ExpectSame(both.RunOne({flags}), flags);
}

TEST(ProgramModuleTest, NumbersThatAreNotFinite) {
  for (const double value : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    ExpectSame(Builder()
                   .Input("x")
                   .Make("y", "full_like.default", {{"self", Tensor("x")}, {"fill_value", Float(value)}})
                   .Output(Tensor("y"))
                   .RunOne({X()}),
               at::full_like(X(), value));
  }
}

TEST(ProgramModuleTest, ComplexNumbers) {
  GraphArgument number;
  number.kind = Kind::kComplex;
  number.number = 1;
  number.imaginary = 2;
  ExpectSame(at::view_as_real(Builder()
                                  .Input("x")
                                  .Make("y", "mul.Tensor", {{"self", Tensor("x")}, {"other", number}})
                                  .Output(Tensor("y"))
                                  .RunOne({X()})),
             at::view_as_real(X() * c10::complex<double>(1, 2)));
}

TEST(ProgramModuleTest, ElementTypesLayoutsAndMemoryFormatsAreTheirOwn) {
  const Builder cast = Builder()
                           .Input("x")
                           .Make("y", "_to_copy.default",
                                 {{"self", Tensor("x")},
                                  {"dtype", Text(Kind::kDType, "bfloat16")},
                                  {"layout", Text(Kind::kLayout, "strided")},
                                  {"device", Text(Kind::kDevice, "cpu")}})
                           .Output(Tensor("y"));
  ExpectSame(cast.RunOne({X()}), X().to(at::kBFloat16));
  const Builder last = Builder()
                           .Input("x", Kind::kTensor, 4)
                           .Make("y", "clone.default",
                                 {{"self", Tensor("x")}, {"memory_format", Text(Kind::kMemoryFormat, "channels_last")}})
                           .Output(Tensor("y"));
  EXPECT_TRUE(last.RunOne({at::rand({2, 3, 4, 5})}).is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(ProgramModuleTest, ATensorViewedAsAnotherElementType) {
  const Builder builder = Builder()
                              .Input("x")
                              .Make("y", "view.dtype", {{"self", Tensor("x")}, {"dtype", Text(Kind::kDType, "int32")}})
                              .Output(Tensor("y"));
  ExpectSame(builder.RunOne({X()}), X().view(at::kInt));
}

TEST(ProgramModuleTest, ConvolutionsThatPadByAWord) {
  for (const std::string word : {"", "valid", "same"}) {
    for (const int64_t kernel : {3, 4}) {
      const at::Tensor weight = at::rand({2, 3, kernel, kernel});
      Arguments arguments = {{"input", Tensor("x")}, {"weight", Tensor("w")}};
      if (!word.empty()) arguments.push_back({"padding", Text(Kind::kString, word)});
      const at::Tensor x = at::rand({1, 3, 8, 8});
      const Builder builder = Builder()
                                  .Weight("w", "w", weight)
                                  .Input("x", Kind::kTensor, 4)
                                  .Make("y", "conv2d.padding", arguments)
                                  .Output(Tensor("y"));
      const at::Tensor wanted = at::conv2d(x, weight, {}, 1, std::string_view(word.empty() ? "valid" : word));
      EXPECT_TRUE(at::allclose(builder.RunOne({x}), wanted, 1e-5, 1e-5)) << word << kernel;
    }
  }
}

TEST(ProgramModuleTest, WhatHoldsItToItsDeviceIsLeftOut) {
  ExpectSame(Builder()
                 .Input("x")
                 .Node("torch.ops.aten._assert_tensor_metadata.default",
                       {{"a", Tensor("x")}, {"device", Text(Kind::kDevice, "cuda:0")}}, {})
                 .Output(Tensor("x"))
                 .RunOne({X()}),
             X());
}

TEST(ProgramModuleTest, AnAssertionThatFailsSaysSo) {
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

TEST(ProgramModuleTest, ArithmeticOnSizes) {
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

TEST(ProgramModuleTest, ListsOfTensors) {
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

TEST(ProgramModuleTest, BuffersAreWrittenInBothForms) {
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

TEST(ProgramModuleTest, Conditions) {
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

TEST(ProgramModuleTest, Loops) {
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

TEST(ProgramModuleTest, GraphsThatRunOnceAreInlined) {
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
TEST(ProgramModuleTest, OperatorsThatWereTakenApartAreWhole) {
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

TEST(ProgramModuleTest, WhatTrainsMaySayThatItDoes) {
  const auto dropout = [](bool train) {
    return Builder()
        .Input("x")
        .Make("y", "dropout.default", {{"input", Tensor("x")}, {"p", Float(0.5)}, {"train", Bool(train)}})
        .Output(Tensor("y"));
  };
  EXPECT_TRUE(dropout(true).Module()->is_training());
  EXPECT_FALSE(dropout(false).Module()->hasattr("training"));
}

TEST(ProgramModuleTest, WhatCannotBeMadeNamesTheNode) {
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
}  // namespace torchferry::libtorch
