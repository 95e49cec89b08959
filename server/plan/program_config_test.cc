#include "server/plan/program_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/plan/test_program.h"

namespace torchferry::plan {
namespace {

using config::ModelConfig;
using ::testing::AllOf;
using testing::Argument;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Free;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Known;
using testing::ProgramBuilder;
using DType = tensor::DType;

// Rows s0 in dimension 0 of x [s0, 3] and of what it gives.
ProgramSignature Batched(std::optional<int64_t> max = std::nullopt) {
  return *DescribeProgram(ProgramBuilder()
                              .Input("x", {Free("s0"), Known(3)})
                              .Output("logits", {Free("s0"), Known(10)})
                              .Output("hidden", {Free("s0"), Free("s1")})
                              .Range("s0", 1, max)
                              .Build());
}

ProgramSignature Tuple() {
  return *DescribeProgram(ProgramBuilder()
                              .Input("x", {Free("s0"), Free("s1")})
                              .Input("k", {Free("s0")}, "int64")
                              .Output("0", {Free("s0"), Known(4)})
                              .Output("1", checkpoint::GraphArgument())
                              .Output("2", {Known(2), Free("s0"), Known(4)})
                              .Range("s0", 1)
                              .Range("s1", 2, 512)
                              .Build());
}

config::TensorConfig Tensor(const std::string& name, DType dtype, tensor::Shape dims) {
  config::TensorConfig tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.dims = std::move(dims);
  return tensor;
}

ModelConfig Declared(int64_t max_batch_size, std::vector<config::TensorConfig> inputs,
                     std::vector<config::TensorConfig> outputs = {}) {
  ModelConfig config;
  config.max_batch_size = max_batch_size;
  config.is_max_batch_size_given = max_batch_size > 0;
  config.inputs = std::move(inputs);
  config.outputs = std::move(outputs);
  return config;
}

ProgramConfig Merged(const ProgramSignature& program, const ModelConfig& config) {
  const absl::StatusOr<ProgramConfig> merged = MergeProgram(program, config);
  EXPECT_TRUE(merged.ok()) << merged.status();
  if (!merged.ok()) return {};
  const absl::StatusOr<ProgramConfig> again = MergeProgram(program, merged->config);
  EXPECT_TRUE(again.ok()) << again.status();
  if (!again.ok()) return {};
  EXPECT_EQ(again->results, merged->results);
  EXPECT_EQ(again->config.max_batch_size, merged->config.max_batch_size);
  EXPECT_EQ(again->config.dynamic_batching.has_value(), merged->config.dynamic_batching.has_value());
  for (size_t i = 0; i < merged->config.inputs.size(); ++i) {
    EXPECT_EQ(again->config.inputs[i].name, merged->config.inputs[i].name);
    EXPECT_EQ(again->config.inputs[i].dims, merged->config.inputs[i].dims);
    EXPECT_EQ(again->config.inputs[i].size_limits, merged->config.inputs[i].size_limits);
  }
  for (size_t i = 0; i < merged->config.outputs.size(); ++i) {
    EXPECT_EQ(again->config.outputs[i].dims, merged->config.outputs[i].dims);
  }
  EXPECT_THAT(again->warnings, IsEmpty());
  return *merged;
}

std::string Refusal(const ProgramSignature& program, const ModelConfig& config) {
  const absl::Status status = MergeProgram(program, config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  return base::MessageOf(status);
}

TEST(ProgramConfigTest, WithoutAFileTheProgramSaysAll) {
  const ProgramConfig merged = Merged(Batched(), {});
  EXPECT_EQ(merged.config.max_batch_size, kDefaultRows);
  EXPECT_TRUE(merged.config.dynamic_batching.has_value());
  ASSERT_EQ(merged.config.inputs.size(), 1u);
  EXPECT_EQ(merged.config.inputs[0].name, "x");
  EXPECT_EQ(merged.config.inputs[0].dtype, DType::kFp32);
  EXPECT_THAT(merged.config.inputs[0].dims, ElementsAre(3));
  ASSERT_EQ(merged.config.outputs.size(), 2u);
  EXPECT_EQ(merged.config.outputs[1].name, "hidden");
  EXPECT_THAT(merged.config.outputs[1].dims, ElementsAre(-1));
  EXPECT_THAT(merged.results, ElementsAre(0u, 1u));
  EXPECT_THAT(merged.decisions, Contains(HasSubstr("requests share batches of up to 64 rows")));
}

TEST(ProgramConfigTest, TheProgramsMaximumIsTheBatchs) {
  EXPECT_EQ(Merged(Batched(16), {}).config.max_batch_size, 16);
  EXPECT_EQ(Merged(Batched(1024), {}).config.max_batch_size, 1024);
  EXPECT_EQ(Merged(Batched(65535), {}).config.max_batch_size, kDefaultRows);
}

TEST(ProgramConfigTest, BatchesAreAsTheFileSaysWhereItSaysSomething) {
  ModelConfig config = Declared(8, {});
  EXPECT_EQ(Merged(Batched(), config).config.max_batch_size, 8);
  EXPECT_FALSE(Merged(Batched(), config).config.dynamic_batching.has_value());
  config = {};
  config.is_max_batch_size_given = true;
  const ProgramConfig zero = Merged(Batched(), config);
  EXPECT_EQ(zero.config.max_batch_size, 0);
  EXPECT_THAT(zero.config.inputs[0].dims, ElementsAre(-1, 3));
  EXPECT_THAT(zero.decisions, Contains("requests share no batch, as max_batch_size is 0"));
  const ProgramConfig declared = Merged(Batched(), Declared(0, {Tensor("x", DType::kFp32, {-1, 3})}));
  EXPECT_EQ(declared.config.max_batch_size, 0);
  EXPECT_THAT(declared.decisions, Contains(HasSubstr("declares tensors and no max_batch_size")));
}

TEST(ProgramConfigTest, DeclaredTensorsAreMatchedAndKeepTheirNames) {
  const ProgramConfig by_order = Merged(Batched(), Declared(8, {Tensor("image", DType::kFp32, {-1})}));
  EXPECT_EQ(by_order.config.inputs[0].name, "image");
  EXPECT_THAT(by_order.config.inputs[0].dims, ElementsAre(3));
  EXPECT_THAT(by_order.decisions, Contains(AllOf(HasSubstr("\"image\""), HasSubstr("the program's \"x\""))));
  const ProgramConfig by_key = Merged(Batched(), Declared(8, {}, {Tensor("hidden", DType::kFp32, {-1})}));
  EXPECT_THAT(by_key.results, ElementsAre(1u));
  const std::vector<config::TensorConfig> turned = {Tensor("INPUT__1", DType::kInt64, {-1}),
                                                    Tensor("INPUT__0", DType::kFp32, {-1, 128})};
  const ProgramConfig by_index = Merged(Tuple(), Declared(0, turned, {Tensor("Y__2", DType::kFp32, {2, -1, 4})}));
  EXPECT_EQ(by_index.config.inputs[0].dtype, DType::kInt64);
  EXPECT_THAT(by_index.results, ElementsAre(2u));
  const ProgramConfig in_order = Merged(Tuple(), Declared(0, {}, {Tensor("y", DType::kFp32, {-1, 4})}));
  EXPECT_THAT(in_order.results, ElementsAre(0u));
}

TEST(ProgramConfigTest, OnlyTheRowsOfAnsweredOutputsCount) {
  EXPECT_THAT(Refusal(Tuple(), Declared(8, {})),
              AllOf(HasSubstr("max_batch_size: 8"), HasSubstr("dimension 1"), HasSubstr("Remove max_batch_size")));
  EXPECT_EQ(Merged(Tuple(), {}).config.max_batch_size, 0);
  EXPECT_THAT(Merged(Tuple(), {}).decisions,
              Contains("dimension 1 of input \"x\" is 0 to 512, as the program was exported for"));
  const ProgramConfig first = Merged(Tuple(), Declared(8, {}, {Tensor("OUTPUT__0", DType::kFp32, {4})}));
  EXPECT_EQ(first.config.max_batch_size, 8);
  EXPECT_THAT(first.results, ElementsAre(0u));
}

TEST(ProgramConfigTest, FreeSizesHaveTheProgramsLimits) {
  const ProgramConfig alone = Merged(Tuple(), {});
  ASSERT_EQ(alone.config.inputs[0].size_limits.size(), 2u);
  EXPECT_EQ(alone.config.inputs[0].size_limits[0].symbol, "s0");
  EXPECT_EQ(alone.config.inputs[0].size_limits[1].min, 0);
  EXPECT_EQ(alone.config.inputs[0].size_limits[1].max, 512);
  const ProgramConfig batched = Merged(Tuple(), Declared(8, {}, {Tensor("OUTPUT__0", DType::kFp32, {4})}));
  ASSERT_EQ(batched.config.inputs[0].size_limits.size(), 1u);
  EXPECT_EQ(batched.config.inputs[0].size_limits[0].dimension, 1u);
  EXPECT_THAT(batched.config.inputs[1].size_limits, IsEmpty());
}

TEST(ProgramConfigTest, PaddingStaysWithinTheProgramsSizes) {
  ModelConfig config = Declared(8, {Tensor("x", DType::kFp32, {-1}), Tensor("k", DType::kInt64, {})},
                                {Tensor("OUTPUT__0", DType::kFp32, {4})});
  config.pad_to.emplace();
  config.pad_to->inputs.push_back({.name = "x", .dtype = DType::kFp32, .dimension = 1, .fill = {}});
  config.pad_to->sizes = {64, 512};
  EXPECT_TRUE(MergeProgram(Tuple(), config).ok());
  config.pad_to->sizes = {64, 1024};
  EXPECT_THAT(Refusal(Tuple(), config), AllOf(HasSubstr("up to 1024"), HasSubstr("up to 512")));
}

TEST(ProgramConfigTest, NamesThatTheProgramDoesNotHaveAreRefused) {
  const auto x = [](const std::string& name) { return Tensor(name, DType::kFp32, {3}); };
  EXPECT_THAT(Refusal(Batched(), Declared(8, {x("x"), x("y")})),
              AllOf(HasSubstr("declares 2 inputs"), HasSubstr("\"x\"")));
  EXPECT_THAT(Refusal(Batched(), Declared(8, {x("I__1")})), AllOf(HasSubstr("no input"), HasSubstr("\"x\"")));
  EXPECT_THAT(Refusal(Batched(), Declared(8, {}, {Tensor("scores", DType::kFp32, {10})})),
              AllOf(HasSubstr("\"scores\""), HasSubstr("\"logits\", \"hidden\"")));
  EXPECT_THAT(Refusal(Tuple(), Declared(0, {}, {Tensor("Y__1", DType::kFp32, {4})})), HasSubstr("no output"));
}

TEST(ProgramConfigTest, TypesAndSizesThatTheProgramDoesNotTakeAreRefused) {
  EXPECT_THAT(Refusal(Batched(), Declared(8, {Tensor("x", DType::kFp16, {3})})),
              AllOf(HasSubstr("as FP16"), HasSubstr("takes FP32"), HasSubstr("TYPE_FP32")));
  EXPECT_THAT(Refusal(Batched(), Declared(8, {Tensor("x", DType::kFp32, {4})})),
              AllOf(HasSubstr("dims [4]"), HasSubstr("dims: [ 3 ]")));
  EXPECT_THAT(Refusal(Batched(), Declared(8, {Tensor("x", DType::kFp32, {-1, 3})})), HasSubstr("without the rows"));
  EXPECT_THAT(Refusal(Batched(), Declared(0, {Tensor("x", DType::kFp32, {3})})), HasSubstr("max_batch_size: 64"));
  EXPECT_THAT(Refusal(Tuple(), Declared(0, {Tensor("x", DType::kFp32, {-1, 513}), Tensor("k", DType::kInt64, {-1})})),
              HasSubstr("[-1, 513]"));
  EXPECT_THAT(Refusal(Batched(16), Declared(32, {})),
              AllOf(HasSubstr("max_batch_size: 32"), HasSubstr("1 to 16 rows"), HasSubstr("max=32")));
  config::TensorConfig optional = Tensor("x", DType::kFp32, {3});
  optional.is_optional = true;
  EXPECT_THAT(Refusal(Batched(), Declared(8, {optional})), HasSubstr("remove optional"));
  EXPECT_THAT(Refusal(Batched(), Declared(8, {}, {Tensor("logits", DType::kInt64, {10})})),
              AllOf(HasSubstr("as INT64"), HasSubstr("gives FP32")));
}

TEST(ProgramConfigTest, WrongDimsOfAnOutputAreWarnedOfAndServedAsTheyAre) {
  const ProgramConfig merged = Merged(Batched(), Declared(8, {}, {Tensor("logits", DType::kFp32, {7})}));
  EXPECT_THAT(merged.config.outputs[0].dims, ElementsAre(10));
  EXPECT_THAT(merged.warnings, ElementsAre(AllOf(HasSubstr("[7]"), HasSubstr("[10]"))));
}

TEST(ProgramConfigTest, AReshapeIsWhatTheProgramSees) {
  config::TensorConfig x = Tensor("x", DType::kFp32, {1, 3});
  x.reshape = tensor::Shape{3};
  EXPECT_THAT(Merged(Batched(), Declared(8, {x})).config.inputs[0].dims, ElementsAre(1, 3));
  x.reshape = tensor::Shape{3, 1};
  EXPECT_THAT(Refusal(Batched(), Declared(8, {x})), HasSubstr("dims [3, 1]"));
}

TEST(ProgramConfigTest, NumbersAreInputsAndOutputsOfOneElement) {
  const ProgramSignature program =
      *DescribeProgram(ProgramBuilder()
                           .Input("x", {Free("s0")})
                           .Number("k")
                           .Output("y", {Free("s0")})
                           .Output("n", Argument(checkpoint::GraphArgument::Kind::kSymInt, "s0"))
                           .Build());
  const ProgramConfig merged = Merged(program, {});
  EXPECT_EQ(merged.config.max_batch_size, 0);
  EXPECT_EQ(merged.config.inputs[1].dtype, DType::kInt64);
  EXPECT_THAT(merged.config.inputs[1].dims, ElementsAre(1));
  EXPECT_THAT(merged.config.outputs[1].dims, IsEmpty());
  const auto declared = [&](DType type) {
    return Declared(0, {Tensor("x", DType::kFp32, {-1}), Tensor("k", type, {1})},
                    {Tensor("n", DType::kInt64, {1}), Tensor("y", DType::kFp32, {-1})});
  };
  EXPECT_THAT(Merged(program, declared(DType::kInt32)).warnings, IsEmpty());
  EXPECT_THAT(Refusal(program, declared(DType::kFp32)), HasSubstr("TYPE_INT64"));
}

TEST(ProgramConfigTest, ATensorWithoutDimensionsIsDeclaredAsOneNumber) {
  const ProgramSignature program =
      *DescribeProgram(ProgramBuilder().Input("n", testing::Sizes(), "int64").Output("", testing::Sizes()).Build());
  EXPECT_THAT(Merged(program, {}).config.inputs[0].dims, IsEmpty());
  const ProgramConfig merged = Merged(program, Declared(0, {Tensor("n", DType::kInt64, {1})}));
  EXPECT_THAT(merged.config.inputs[0].dims, ElementsAre(1));
  EXPECT_EQ(merged.config.inputs[0].reshape, tensor::Shape());
}

TEST(ProgramConfigTest, ABatchOfOneRowIsOne) {
  const ProgramSignature program =
      *DescribeProgram(ProgramBuilder().Input("x", {Known(1), Known(3)}).Output("", {Known(1), Known(4)}).Build());
  EXPECT_EQ(Merged(program, {}).config.max_batch_size, 0);
  EXPECT_THAT(Merged(program, Declared(1, {})).config.inputs[0].dims, ElementsAre(3));
  EXPECT_THAT(Refusal(program, Declared(2, {})), HasSubstr("dynamic_shapes"));
}

}  // namespace
}  // namespace torchferry::plan
