#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/status.h"
#include "server/config/model_config.h"

namespace torchferry::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTensors[] = R"(max_batch_size: 8
input { name: "ids" data_type: TYPE_INT64 dims: [ -1 ] }
input { name: "types" data_type: TYPE_INT32 dims: [ 2, -1 ] }
input { name: "fixed" data_type: TYPE_FP32 dims: [ 5 ] }
input { name: "mask" data_type: TYPE_FP32 dims: [ 1, 1, -1 ] }
output { name: "hidden" data_type: TYPE_FP32 dims: [ -1, 16 ] }
output { name: "pooled" data_type: TYPE_FP32 dims: [ 16 ] }
)";

absl::StatusOr<ModelConfig> Parse(const std::string& torchferry, const std::string& tensors = kTensors) {
  return ParseModelConfig(tensors + "torchferry { " + torchferry + " }\n", "m/config.pbtxt", "m");
}

TEST(RequestShapesTest, ThePlanIsOfTheFreeSizes) {
  const absl::StatusOr<ModelConfig> config =
      Parse(R"(pad_to { sizes: [ 16, 32 ] mask: "mask" values { key: "types" value: -1 } })");
  ASSERT_TRUE(config.ok()) << config.status();
  const tensor::PadPlan& plan = config->pad_to.value();
  EXPECT_THAT(plan.sizes, ElementsAre(16, 32));
  ASSERT_EQ(plan.inputs.size(), 2u);
  EXPECT_EQ(plan.inputs[0].name, "ids");
  EXPECT_EQ(plan.inputs[0].dimension, 1u);
  EXPECT_EQ(plan.inputs[0].fill, tensor::ElementOf(tensor::DType::kInt64, 0));
  EXPECT_EQ(plan.inputs[1].dimension, 2u);
  EXPECT_EQ(plan.inputs[1].fill, tensor::ElementOf(tensor::DType::kInt32, -1));
  EXPECT_EQ(plan.mask.dimension, 3u);
  EXPECT_THAT(plan.mask_shape, ElementsAre(tensor::kAnyDim, 1, 1, tensor::kAnyDim));
  ASSERT_EQ(plan.outputs.size(), 1u);
  EXPECT_EQ(plan.outputs[0].name, "hidden");
  EXPECT_EQ(plan.outputs[0].dimension, 1u);
}

TEST(RequestShapesTest, SplittingIsOffUnlessAskedFor) {
  EXPECT_FALSE(Parse("")->split_oversized);
  EXPECT_TRUE(Parse("split_oversized: true")->split_oversized);
}

struct Wrong {
  std::string torchferry;
  std::string tensors;
  std::string message;
};

class WrongRequestShapesTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongRequestShapesTest, IsRefusedByItsPlace) {
  const absl::Status status = Parse(GetParam().torchferry, GetParam().tensors).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("m/config.pbtxt:"));
  EXPECT_THAT(base::MessageOf(status), HasSubstr(GetParam().message));
}

constexpr char kOneInput[] = R"(max_batch_size: 8
input { name: "ids" data_type: TYPE_INT64 dims: [ 4 ] }
input { name: "mask" data_type: TYPE_INT64 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
)";
constexpr char kTwoFree[] = R"(max_batch_size: 8
input { name: "ids" data_type: TYPE_INT64 dims: [ -1, -1 ] }
input { name: "mask" data_type: TYPE_INT64 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1, -1 ] }
)";
constexpr char kNoRows[] = R"(
input { name: "ids" data_type: TYPE_INT64 dims: [ 1, -1 ] }
input { name: "mask" data_type: TYPE_INT64 dims: [ 1, -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
)";

INSTANTIATE_TEST_SUITE_P(
    All, WrongRequestShapesTest,
    ::testing::Values(
        Wrong{R"(pad_to { mask: "mask" })", kTensors, "has 0 sizes; expected 1 to 64"},
        Wrong{R"(pad_to { sizes: [ 32, 16 ] mask: "mask" })", kTensors, "has the size 16; expected 33 to"},
        Wrong{R"(pad_to { sizes: [ 0 ] mask: "mask" })", kTensors, "has the size 0; expected 1 to"},
        Wrong{R"(pad_to { sizes: [ 9 ] })", kTensors, "torchferry.pad_to.mask is \"\"; expected"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "no" })", kTensors, "mask is \"no\"; expected"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "fixed" })", kTensors, "expected one free size"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "types" })", kTensors, "and 1 for each other"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "mask" values { key: "fixed" value: 1 } })", kTensors,
              "values names \"fixed\"; expected"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "mask" values { key: "ids" value: 0.5 } })", kTensors,
              "has 0.5 for \"ids\"; expected a number that INT64 has"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "mask" })", kOneInput, "no input beside the mask has a free size"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "mask" })", kTwoFree, "\"ids\" has dims [-1, -1]"},
        Wrong{R"(pad_to { sizes: [ 9 ] mask: "mask" })", kNoRows, "max_batch_size is 0; expected 1 or more"},
        Wrong{"split_oversized: true", kNoRows, "split_oversized is true and max_batch_size is 0"}));

}  // namespace
}  // namespace torchferry::config
