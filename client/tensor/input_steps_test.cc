#include "client/tensor/input_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/tensor/array_proto.h"
#include "client/tensor/json_array.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Takes x [rows, 2] and n, an int.
v1::ModelVersion Model() {
  v1::ModelVersion model;
  model.set_max_batch_size(8);
  v1::TensorSpec* x = model.add_inputs();
  x->set_name("x");
  x->set_kind("tensor");
  x->set_has_shape(true);
  x->add_shape(-1);
  x->add_shape(2);
  v1::TensorSpec* n = model.add_inputs();
  n->set_name("n");
  n->set_kind("int");
  return model;
}

std::pair<std::string, Array> Input(const std::string& name, const std::string& json) {
  return {name, ParseJsonArray(json, tensor::DType::kInt32).value()};
}

std::string Values(const v1::PredictRequest& request, const std::string& name) {
  return ToJson(FromProto(request.inputs().at(name)).value()).dump();
}

TEST(InputStepsTest, TakesTheFirstDimensionApartAndRepeatsASingleElement) {
  const auto steps = InputSteps::Create({Input("x", "[[[1, 2]], [[3, 4]], [[5, 6]]]"), Input("n", "7")}, Model());
  ASSERT_TRUE(steps.ok()) << steps.status();
  ASSERT_EQ(steps->count(), 3);
  const char* const expected[] = {"[[1,2]]", "[[3,4]]", "[[5,6]]"};
  for (int64_t i = 0; i < 3; ++i) {
    v1::PredictRequest request;
    steps->SetInputs(i, &request);
    EXPECT_EQ(Values(request, "x"), expected[i]);
    EXPECT_EQ(Values(request, "n"), "7");
  }
  EXPECT_THAT(steps->notes(), IsEmpty());
}

TEST(InputStepsTest, AddsTheBatchDimensionToEachStep) {
  const auto steps = InputSteps::Create({Input("x", "[[1, 2], [3, 4]]")}, Model());
  ASSERT_TRUE(steps.ok()) << steps.status();
  v1::PredictRequest request;
  steps->SetInputs(1, &request);
  EXPECT_EQ(Values(request, "x"), "[[3,4]]");
  EXPECT_THAT(steps->notes(), ElementsAre("input x: added the batch dimension to each step: [1, 2]"));
}

TEST(InputStepsTest, InputsMustAgreeAboutTheNumberOfSteps) {
  const auto steps =
      InputSteps::Create({Input("x", "[[1, 2], [3, 4]]"), Input("y", "[[1, 2], [3, 4], [5, 6]]")}, Model());
  EXPECT_EQ(steps.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(steps.status()),
              AllOf(HasSubstr("input y has 3 steps (shape [3, 2])"), HasSubstr("input x has 2")));
}

TEST(InputStepsTest, RefusesWhatIsNeitherStepsNorOneElement) {
  for (const char* json : {"[1, 2, 3]", "[]"}) {
    const auto steps = InputSteps::Create({Input("x", json)}, Model());
    EXPECT_EQ(steps.status().code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(base::MessageOf(steps.status()), HasSubstr("input x has shape")) << json;
  }
}

TEST(InputStepsTest, RefusesInputsWithoutSteps) {
  const auto steps = InputSteps::Create({Input("n", "7")}, Model());
  EXPECT_EQ(steps.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(steps.status()), HasSubstr("--stream needs an input with steps"));
}

}  // namespace
}  // namespace torchferry::client
