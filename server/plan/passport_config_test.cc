#include "server/plan/passport_config.h"

#include <gmock/gmock.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using config::ModelConfig;
using config::TensorConfig;
using tensor::DType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kSource = "the passport in m/1/model.pt";

PassportSignature Batched() {
  return {.max_batch_size = 64,
          .inputs = {{"image", DType::kFp32, {3, -1}}, {"scale", DType::kFp32, {}}},
          .outputs = {{"y", DType::kFp32, {10}}, {"z", DType::kInt64, {}}}};
}

TensorConfig Tensor(const std::string& name, DType dtype, tensor::Shape dims) {
  TensorConfig tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.dims = std::move(dims);
  return tensor;
}

// What agrees with Batched().
ModelConfig Agreeing() {
  ModelConfig config;
  config.max_batch_size = 8;
  config.is_max_batch_size_given = true;
  config.inputs = {Tensor("scale", DType::kFp32, {1}), Tensor("image", DType::kFp32, {3, 224})};
  config.outputs = {Tensor("y", DType::kFp32, {-1})};
  return config;
}

absl::Status Check(const ModelConfig& config, const PassportSignature& passport = Batched()) {
  return CheckAgainstPassport(config, passport, {"config.pbtxt", kSource});
}

TEST(PassportConfigTest, WhereNothingIsDeclaredThePassportDeclaresIt) {
  std::vector<std::string> decisions;
  const ModelConfig config = WithPassport({}, Batched(), kSource, decisions);
  EXPECT_EQ(config.max_batch_size, 64);
  EXPECT_TRUE(config.dynamic_batching.has_value());
  ASSERT_EQ(config.inputs.size(), 2U);
  EXPECT_EQ(config.inputs[0].name, "image");
  EXPECT_EQ(config.inputs[0].dims, (tensor::Shape{3, -1}));
  ASSERT_EQ(config.outputs.size(), 2U);
  EXPECT_EQ(config.outputs[1].dtype, DType::kInt64);
  EXPECT_EQ(config.signature_source, kSource);
  EXPECT_THAT(decisions, ElementsAre("rows, inputs, outputs are those of the passport in m/1/model.pt"));

  // Once more it is the same again.
  EXPECT_TRUE(Check(config).ok());
  decisions.clear();
  const ModelConfig again = WithPassport(config, Batched(), kSource, decisions);
  EXPECT_EQ(again.inputs.size(), 2U);
  EXPECT_EQ(again.signature_source, kSource);
  EXPECT_THAT(decisions, IsEmpty());
}

TEST(PassportConfigTest, WhatIsDeclaredStands) {
  ModelConfig config;
  config.max_batch_size = 8;
  config.is_max_batch_size_given = true;
  config.outputs = Agreeing().outputs;
  std::vector<std::string> decisions;
  const ModelConfig merged = WithPassport(config, Batched(), kSource, decisions);
  EXPECT_EQ(merged.max_batch_size, 8);
  EXPECT_FALSE(merged.dynamic_batching.has_value());
  EXPECT_EQ(merged.inputs.size(), 2U);
  ASSERT_EQ(merged.outputs.size(), 1U);
  EXPECT_EQ(merged.outputs[0].dims, (tensor::Shape{-1}));
  EXPECT_THAT(decisions, ElementsAre("inputs are those of the passport in m/1/model.pt"));
}

TEST(PassportConfigTest, WithoutRowsThereIsNoBatching) {
  PassportSignature signature = Batched();
  signature.max_batch_size = 0;
  std::vector<std::string> decisions;
  const ModelConfig config = WithPassport({}, signature, kSource, decisions);
  EXPECT_EQ(config.max_batch_size, 0);
  EXPECT_FALSE(config.dynamic_batching.has_value());
}

TEST(PassportConfigTest, WhatAgreesOrIsNotDeclaredIsNoContradiction) {
  EXPECT_TRUE(Check({}).ok());
  EXPECT_TRUE(Check(Agreeing()).ok()) << Check(Agreeing());
  ModelConfig untyped = Agreeing();
  untyped.inputs[1].dtype = DType::kInvalid;
  untyped.inputs[1].dims = {};
  EXPECT_TRUE(Check(untyped).ok());
}

TEST(PassportConfigTest, EachContradictionIsNamedWithBothValuesAndTheWayOut) {
  struct Case {
    void (*change)(ModelConfig&);
    std::vector<std::string> fragments;
  };
  const Case cases[] = {
      {[](ModelConfig& c) { c.max_batch_size = 0; },
       {"max_batch_size is 0 in config.pbtxt and 64 in the passport in m/1/model.pt", "write max_batch_size: 64"}},
      {[](ModelConfig& c) { c.max_batch_size = 65; },
       {"max_batch_size is 65 in config.pbtxt", "allows 64", "write max_batch_size: 64 or less"}},
      {[](ModelConfig& c) { c.inputs[1].name = "INPUT__0"; },
       {"input \"INPUT__0\" is in config.pbtxt and not in the passport", "\"image\", \"scale\"", "call it as one of"}},
      {[](ModelConfig& c) { c.outputs[0].name = "w"; }, {"output \"w\" is in config.pbtxt", "\"y\", \"z\""}},
      {[](ModelConfig& c) { c.inputs[1].dtype = DType::kFp16; },
       {"input \"image\" is FP16 in config.pbtxt and FP32 in the passport", "write TYPE_FP32"}},
      {[](ModelConfig& c) {
         c.inputs[1].dims = {4, 224};
       },
       {"input \"image\" has dims [4, 224] in config.pbtxt and [3, -1] in the passport", "write dims: [ 3, -1 ]"}},
      {[](ModelConfig& c) {
         c.inputs[1].dims = {3, 224, 224};
       },
       {"has dims [3, 224, 224]", "[3, -1]"}},
      {[](ModelConfig& c) { c.outputs[0].dims = {11}; }, {"output \"y\" has dims [11]", "[10]"}},
  };
  for (const Case& one : cases) {
    ModelConfig config = Agreeing();
    one.change(config);
    const absl::Status status = Check(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    for (const std::string& fragment : one.fragments) EXPECT_THAT(base::MessageOf(status), HasSubstr(fragment));
  }
}

// A file that declares tensors and no rows has tensors without rows, as for Triton.
TEST(PassportConfigTest, DeclaredTensorsWithoutRowsContradictAPassportWithRows) {
  ModelConfig config = Agreeing();
  config.max_batch_size = 0;
  config.is_max_batch_size_given = false;
  EXPECT_THAT(base::MessageOf(Check(config)), HasSubstr("max_batch_size is 0 in config.pbtxt and 64"));
  PassportSignature signature = Batched();
  signature.max_batch_size = 0;
  EXPECT_TRUE(Check(config, signature).ok());
}

}  // namespace
}  // namespace torchferry::plan
