#include "server/torch/graph/model_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

c10::FunctionSchema Schema(const std::string& arguments, const std::string& result = "torch.zeros([1])") {
  torch::jit::Module module("m");
  module.define("def forward(self, " + arguments + "):\n  return " + result + "\n");
  return module.get_method("forward").function().getSchema();
}

config::TensorConfig Input(std::string name, tensor::DType dtype = tensor::DType::kFp32, tensor::Shape dims = {4}) {
  config::TensorConfig input;
  input.name = std::move(name);
  input.dtype = dtype;
  input.dims = std::move(dims);
  return input;
}

TEST(ModelSignatureTest, WithoutAConfigTheSchemaNamesTheInputs) {
  const auto s = MakeSignature(
      Schema("x: Tensor, mask: Optional[Tensor], xs: List[Tensor], n: int, f: float = 0.5, b: bool = False"), {});
  ASSERT_TRUE(s.ok()) << s.status();
  const auto& inputs = s->signature.inputs;
  ASSERT_EQ(inputs.size(), 6u);
  EXPECT_EQ(inputs[0].name, "x");
  EXPECT_FALSE(inputs[0].is_optional);
  EXPECT_EQ(inputs[0].dtype, tensor::DType::kInvalid);
  EXPECT_TRUE(inputs[1].is_optional);
  EXPECT_EQ(inputs[2].kind, tensor::ArgumentKind::kTensorList);
  EXPECT_EQ(inputs[3].dtype, tensor::DType::kInt64);
  EXPECT_FALSE(inputs[3].is_optional);
  EXPECT_EQ(inputs[4].dtype, tensor::DType::kFp32);
  EXPECT_TRUE(inputs[4].is_optional);
  EXPECT_EQ(inputs[5].dtype, tensor::DType::kBool);
}

TEST(ModelSignatureTest, ResultsThatCannotBeSentAreRefusedBeforeARequest) {
  for (const std::string result : {"x", "(x, x)", "[x]", "{'a': x}", "x if x.dim() > 0 else None"}) {
    EXPECT_TRUE(MakeSignature(Schema("x: Tensor", result), {}).ok()) << result;
  }
  for (const std::string result : {"1", "(x, (x, x))", "(x, 1.0)", "[[x]]", "{1: x}", "{'a': [x]}", "None"}) {
    const auto s = MakeSignature(Schema("x: Tensor", result), {});
    EXPECT_EQ(s.status().code(), absl::StatusCode::kFailedPrecondition) << result;
    EXPECT_THAT(base::MessageOf(s.status()), HasSubstr("forward gives a ")) << result;
  }
}

TEST(ModelSignatureTest, ConfigNamesMatchByNameThenIndexThenOrder) {
  const auto arguments = [](std::vector<config::TensorConfig> inputs) {
    config::ModelConfig config;
    config.inputs = std::move(inputs);
    const auto s = MakeSignature(Schema("a: Tensor, b: Tensor"), config);
    EXPECT_TRUE(s.ok()) << s.status();
    return std::vector<size_t>{s->inputs[0].argument, s->inputs[1].argument};
  };
  EXPECT_EQ(arguments({Input("b"), Input("a")}), (std::vector<size_t>{1, 0}));
  EXPECT_EQ(arguments({Input("INPUT__1"), Input("INPUT__0")}), (std::vector<size_t>{1, 0}));
  EXPECT_EQ(arguments({Input("left"), Input("right")}), (std::vector<size_t>{0, 1}));
}

TEST(ModelSignatureTest, AnOutputThatForwardDoesNotGiveIsNamed) {
  torch::jit::Module module("m");
  module.define("def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  return x, x\n");
  const auto error = [&](std::vector<config::TensorConfig> outputs) {
    config::ModelConfig config;
    config.outputs = std::move(outputs);
    return base::MessageOf(MakeSignature(module.get_method("forward").function().getSchema(), config).status());
  };
  EXPECT_EQ(error({Input("OUTPUT__1")}), "");
  EXPECT_THAT(error({Input("OUTPUT__2")}),
              HasSubstr("\"OUTPUT__2\" of config.pbtxt is result 2 of forward, counted from 0; it gives 2"));
  EXPECT_THAT(error({Input("a"), Input("b"), Input("c")}), HasSubstr("\"c\" of config.pbtxt is result 2"));
  EXPECT_THAT(error({Input("a__1"), Input("b__1")}),
              HasSubstr("\"b__1\" of config.pbtxt is result 1 of forward, as another output is"));
}

TEST(ModelSignatureTest, BatchingAddsADimensionInFront) {
  config::ModelConfig config;
  config.max_batch_size = 8;
  config.inputs = {Input("x")};
  config.outputs = {Input("y", tensor::DType::kFp32, {2})};
  const auto s = MakeSignature(Schema("x: Tensor"), config);
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->signature.inputs[0].shape, (tensor::Shape{tensor::kAnyDim, 4}));
  EXPECT_EQ(s->signature.outputs[0].shape, (tensor::Shape{tensor::kAnyDim, 2}));
}

TEST(ModelSignatureTest, NamesWhatDoesNotFit) {
  config::ModelConfig config;
  const auto error = [&](const std::string& arguments) {
    const auto s = MakeSignature(Schema(arguments), config);
    EXPECT_EQ(s.status().code(), absl::StatusCode::kFailedPrecondition);
    return base::MessageOf(s.status());
  };
  EXPECT_THAT(error("d: Dict[str, Tensor]"), AllOf(HasSubstr("\"d\""), HasSubstr("Optional[Tensor]")));
  EXPECT_THAT(error("s: str"), HasSubstr("\"s\""));
  config.inputs = {Input("x"), Input("y"), Input("z")};
  EXPECT_THAT(error("x: Tensor, y: Tensor"), HasSubstr("declares 3 inputs but forward takes 2"));
  config.inputs = {Input("x")};
  EXPECT_THAT(error("x: Tensor, y: Tensor"), HasSubstr("no input for forward's argument \"y\""));
  config.inputs = {Input("x")};
  config.inputs[0].is_optional = true;
  EXPECT_THAT(error("x: Tensor"), AllOf(HasSubstr("\"x\" is optional"), HasSubstr("Optional[Tensor]")));
  config.inputs = {Input("n", tensor::DType::kFp32, {1})};
  EXPECT_THAT(error("n: int"), AllOf(HasSubstr("\"n\""), HasSubstr("INT64")));
}

}  // namespace
}  // namespace torchferry::libtorch
