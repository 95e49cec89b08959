// Values of a program and the operators that take them, against ATen.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "server/torch/load/test_program.h"

namespace torchferry::libtorch::testing {
namespace {

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

}  // namespace
}  // namespace torchferry::libtorch::testing
