#include "server/torch/graph/model_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "server/base/status.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

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

std::vector<std::string> NamesOf(const absl::StatusOr<ModelSignature>& s) {
  EXPECT_TRUE(s.ok()) << s.status();
  std::vector<std::string> names;
  if (!s.ok()) return names;
  for (const tensor::TensorSpec& spec : s->signature.inputs)
    names.push_back(spec.name + (spec.is_optional ? "?" : "") + " " + std::string(Name(spec.kind)));
  return names;
}

// As MakeSignature with the graph of the code.
absl::StatusOr<ModelSignature> WithCode(const std::string& source, const config::ModelConfig& config = {}) {
  torch::jit::Module module("m");
  module.define(source);
  module.eval();
  return MakeSignature(module.get_method("forward").function().getSchema(), config, ReachableGraph(module).get());
}

TEST(ModelSignatureTest, TextAndOptionalsAreInputs) {
  EXPECT_THAT(NamesOf(MakeSignature(Schema("t: List[str], s: str, n: Optional[int], u: Optional[List[str]] = None, "
                                           "mode: str = 'nearest'"),
                                    {})),
              ElementsAre("t string list", "s string", "n? int", "u? string list", "mode? string"));
}

TEST(ModelSignatureTest, WhatCannotBeSentAndNeedNotBeIsNoInput) {
  const auto s = MakeSignature(
      Schema("x: Tensor, sizes: Optional[List[int]] = None, targets: Optional[List[Dict[str, Tensor]]] = None"), {});
  EXPECT_THAT(NamesOf(s), ElementsAre("x tensor"));
  EXPECT_THAT(s->decisions, ElementsAre(HasSubstr("\"sizes\", a Optional[List[int]], cannot be sent: it is None"),
                                        HasSubstr("\"targets\"")));
}

TEST(ModelSignatureTest, TuplesAndDictsAreNamedAsTorchExportNamesThem) {
  const char* const source =
      "def forward(self, Batch: Dict[str, Tensor], pair: Tuple[Tensor, Optional[Tensor]], d: Dict[str, Tuple[Tensor, "
      "int]]) -> Tensor:\n"
      "  y = Batch['Image'] + pair[0]\n"
      "  if 'Mask.2' in Batch:\n    y = y * Batch['Mask.2']\n"
      "  a, n = d['p']\n"
      "  return y + a * n\n";
  EXPECT_THAT(NamesOf(WithCode(source)), ElementsAre("batch_image tensor", "batch_mask_2? tensor", "pair_0 tensor",
                                                     "pair_1? optional tensor", "d_p_0 tensor", "d_p_1 int"));
}

TEST(ModelSignatureTest, NestedDictsAreFollowedAndOptionalOnesAreOneGroup) {
  const char* const source =
      "def forward(self, x: Tensor, d: Optional[Dict[str, Dict[str, Tensor]]] = None) -> Tensor:\n"
      "  if d is not None:\n    return x + d['a']['b'] + d['c']['b']\n"
      "  return x\n";
  const auto s = WithCode(source);
  EXPECT_THAT(NamesOf(s), ElementsAre("x tensor", "d_a_b? tensor", "d_c_b? tensor"));
  EXPECT_EQ(s->signature.inputs[0].group, 0);
  EXPECT_GT(s->signature.inputs[1].group, 0);
  EXPECT_EQ(s->signature.inputs[1].group, s->signature.inputs[2].group);
}

TEST(ModelSignatureTest, ADictWhoseKeysTheCodeDoesNotTellIsOpenOrDeclared) {
  const char* const source =
      "def forward(self, x: Tensor, d: Dict[str, Tensor]) -> Tensor:\n"
      "  for k, v in d.items():\n    x = x + v\n"
      "  return x\n";
  EXPECT_THAT(NamesOf(WithCode(source)), ElementsAre("x tensor", "d tensor dict"));
  config::ModelConfig config;
  config.inputs = {Input("x"), Input("d_left"), Input("d_Right_one")};
  config.inputs[2].is_optional = true;
  const auto s = WithCode(source, config);
  EXPECT_THAT(NamesOf(s), ElementsAre("x tensor", "d_left tensor", "d_Right_one? tensor"));
  EXPECT_THAT(s->trees[1].keys, UnorderedElementsAre("left", "Right_one"));
}

TEST(ModelSignatureTest, ConfigNamesTheKeysOfATritonStyleDict) {
  config::ModelConfig config;
  config.inputs = {Input("B"), Input("A")};
  const auto s = MakeSignature(Schema("d: Dict[str, Tensor]"), config);
  EXPECT_THAT(NamesOf(s), ElementsAre("B tensor", "A tensor"));
  EXPECT_THAT(s->trees[0].keys, ElementsAre("A", "B"));
}

TEST(ModelSignatureTest, ListsOfTuplesAreAsLongAsTheConfigSays) {
  config::ModelConfig config;
  config.inputs = {Input("l_0_0"), Input("l_0_1"), Input("l_1_0"), Input("l_1_1")};
  const auto s = MakeSignature(Schema("l: List[Tuple[Tensor, Tensor]]"), config);
  EXPECT_THAT(NamesOf(s), SizeIs(4));
  EXPECT_EQ(s->trees[0].parts.size(), 2U);
  config.inputs = {Input("l_0_0"), Input("l_0_1"), Input("l_9999_0")};
  EXPECT_EQ(MakeSignature(Schema("l: List[Tuple[Tensor, Tensor]]"), config).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ModelSignatureTest, NamesThatWouldBeTheSameGetANumber) {
  EXPECT_THAT(NamesOf(WithCode("def forward(self, d_a: Tensor, d: Dict[str, Tensor]) -> Tensor:\n"
                               "  return d_a + d['a']\n")),
              ElementsAre("d_a tensor", "d_a_1 tensor"));
}

TEST(ModelSignatureTest, NamesWhatDoesNotFit) {
  config::ModelConfig config;
  const auto error = [&](const std::string& arguments) {
    const auto s = MakeSignature(Schema(arguments), config);
    EXPECT_EQ(s.status().code(), absl::StatusCode::kFailedPrecondition);
    return base::MessageOf(s.status());
  };
  EXPECT_THAT(error("d: Dict[int, Tensor]"), AllOf(HasSubstr("\"d\""), HasSubstr("List[Tensor]")));
  EXPECT_THAT(error("s: List[List[str]]"), HasSubstr("\"s\""));
  EXPECT_THAT(error("d: Dict[str, Tuple[Tensor, Tensor]]"), AllOf(HasSubstr("\"d\""), HasSubstr("\"d_KEY_0\"")));
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
