#include "client/bench/bench_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/tensor/array.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::TensorSpec* AddInput(v1::ModelVersion* model, const std::string& name, const tensor::Shape& shape,
                         const std::string& kind = "tensor") {
  v1::TensorSpec* spec = model->add_inputs();
  spec->set_name(name);
  spec->set_has_shape(true);
  spec->mutable_shape()->Add(shape.begin(), shape.end());
  spec->set_kind(kind);
  return spec;
}

v1::ModelVersion ModelWith(int64_t max_batch_size) {
  v1::ModelVersion model;
  model.set_model_name("m");
  model.set_max_batch_size(max_batch_size);
  return model;
}

std::string ErrorOf(const absl::StatusOr<BenchInputs>& inputs) { return base::MessageOf(inputs.status()); }

TEST(BenchInputsTest, MakesUpWhatIsLeftOut) {
  v1::ModelVersion model = ModelWith(8);
  AddInput(&model, "image", {-1, 3, 4});
  AddInput(&model, "given", {-1, 2});
  AddInput(&model, "rate", {}, "int");
  AddInput(&model, "mask", {-1, 5})->set_optional(true);
  const auto inputs = CompleteInputs({"given=[[1, 2]]"}, {}, 4, model);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_THAT(inputs->inputs, ElementsAre("given=[[1, 2]]", "image=random[4,3,4]", "rate=random[]"));
  EXPECT_THAT(inputs->generated, ElementsAre("image", "rate"));
}

TEST(BenchInputsTest, AModelWithoutBatchesHasNoRows) {
  v1::ModelVersion model = ModelWith(0);
  AddInput(&model, "x", {1, 3});
  EXPECT_THAT(CompleteInputs({}, {}, 4, model)->inputs, ElementsAre("x=random[1,3]"));
}

TEST(BenchInputsTest, FreeSizesMustBeSaid) {
  v1::ModelVersion model = ModelWith(8);
  AddInput(&model, "image", {-1, 3, -1, -1});
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {}, 1, model)),
              AllOf(HasSubstr("image"), HasSubstr("[-1, 3, -1, -1]"), HasSubstr("--shape image:3,8,8")));
  EXPECT_THAT(CompleteInputs({}, {"image:3,224,225"}, 2, model)->inputs, ElementsAre("image=random[2,3,224,225]"));
  EXPECT_THAT(CompleteInputs({"image=random[1,3,5,5]"}, {}, 2, model)->inputs, ElementsAre("image=random[1,3,5,5]"));
}

TEST(BenchInputsTest, AShapeThatIsNotDeclaredMustBeSaid) {
  v1::ModelVersion model = ModelWith(0);
  AddInput(&model, "x", {})->set_has_shape(false);
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {}, 1, model)), HasSubstr("declares no shape for input x"));
  EXPECT_THAT(CompleteInputs({}, {"x:1,3"}, 1, model)->inputs, ElementsAre("x=random[1,3]"));
  model.set_max_batch_size(4);
  EXPECT_THAT(CompleteInputs({}, {"x:3"}, 2, model)->inputs, ElementsAre("x=random[2,3]"));
}

TEST(BenchInputsTest, AGivenRandomGetsTheRowsAndTheShape) {
  v1::ModelVersion model = ModelWith(8);
  AddInput(&model, "x", {-1, -1});
  const auto inputs = CompleteInputs({"x:FP16=random"}, {"x:7"}, 3, model);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_THAT(inputs->inputs, ElementsAre("x:FP16=random[3,7]"));
  EXPECT_THAT(inputs->generated, IsEmpty());
}

TEST(BenchInputsTest, ShapesMustAgreeWithTheModel) {
  v1::ModelVersion model = ModelWith(8);
  AddInput(&model, "x", {-1, 3, -1});
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {"x:1,3,5"}, 1, model)),
              AllOf(HasSubstr("[1, 3, 5]"), HasSubstr("[3, -1] for each row")));
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {"y:1"}, 1, model)), HasSubstr("names input y, but m takes x"));
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {"x:3,1", "x:3,2"}, 1, model)), HasSubstr("twice"));
  EXPECT_THAT(ErrorOf(CompleteInputs({"x=[[[1],[2],[3]]]"}, {"x:3,1"}, 1, model)), HasSubstr("input x is given"));
  for (const char* text :
       {"x", "x:", ":3", "x:3,", "x:,3", "x:-1", "x:0", "x:3x4", "x:3;4", "x:99999999999999999999"}) {
    EXPECT_THAT(ErrorOf(CompleteInputs({}, {text}, 1, model)), HasSubstr("is not NAME:SIZES")) << text;
  }
}

TEST(BenchInputsTest, AListOfTensorsIsNotMadeUp) {
  v1::ModelVersion model = ModelWith(0);
  AddInput(&model, "xs", {2}, "tensor list");
  EXPECT_THAT(ErrorOf(CompleteInputs({}, {}, 1, model)), HasSubstr("xs__0"));
  EXPECT_THAT(CompleteInputs({"xs__0=[1, 2]"}, {}, 1, model)->inputs, ElementsAre("xs__0=[1, 2]"));
}

TEST(BenchInputsTest, RowsAreTheBatchDimension) {
  v1::ModelVersion model = ModelWith(8);
  AddInput(&model, "x", {-1, 3});
  AddInput(&model, "y", {-1, 2});
  AddInput(&model, "rate", {}, "int");
  const Array four{tensor::DType::kFp32, {4, 3}, {}};
  const Array one{tensor::DType::kFp32, {1, 2}, {}};
  const Array rate{tensor::DType::kInt64, {1}, {}};
  EXPECT_EQ(RowsOf({{"rate", rate}, {"x", four}}, std::nullopt, model).value(), 4);
  EXPECT_EQ(RowsOf({{"rate", rate}}, 5, model).value(), 1);
  EXPECT_THAT(base::MessageOf(RowsOf({{"x", four}, {"y", one}}, std::nullopt, model).status()),
              HasSubstr("input x is [4, 3] and input y is [1, 2]"));
  EXPECT_THAT(base::MessageOf(RowsOf({{"x", four}}, 2, model).status()), HasSubstr("--rows 2, but input x is [4, 3]"));
}

TEST(BenchInputsTest, RowsAreForModelsThatBatch) {
  const v1::ModelVersion model = ModelWith(0);
  const Array x{tensor::DType::kFp32, {4, 3}, {}};
  EXPECT_EQ(RowsOf({{"x", x}}, std::nullopt, model).value(), 1);
  EXPECT_THAT(base::MessageOf(RowsOf({{"x", x}}, 2, model).status()), HasSubstr("m has no batch dimension"));
}

}  // namespace
}  // namespace torchferry::client
