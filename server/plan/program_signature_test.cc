#include "server/plan/program_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/plan/test_program.h"

namespace torchferry::plan {
namespace {

using checkpoint::GraphArgument;
using ::testing::AllOf;
using testing::Argument;
using ::testing::ElementsAre;
using testing::Free;
using ::testing::HasSubstr;
using testing::Known;
using testing::ProgramBuilder;
using Kind = GraphArgument::Kind;

ProgramSignature Describe(ProgramBuilder& builder) {
  absl::StatusOr<ProgramSignature> signature = DescribeProgram(builder.Build());
  EXPECT_TRUE(signature.ok()) << signature.status();
  return signature.ok() ? *std::move(signature) : ProgramSignature();
}

std::string Refusal(ProgramBuilder& builder) {
  const absl::Status status = DescribeProgram(builder.Build()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return base::MessageOf(status);
}

std::vector<std::string> Names(const std::vector<ProgramTensor>& tensors) {
  std::vector<std::string> names;
  for (const ProgramTensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

ProgramRows Rows(ProgramBuilder& builder) {
  const ProgramSignature signature = Describe(builder);
  std::vector<const ProgramTensor*> outputs;
  for (const ProgramTensor& output : signature.outputs) outputs.push_back(&output);
  return FindRows(signature, outputs);
}

TEST(ProgramSignatureTest, InputsHaveTheProgramsNamesTypesAndSizes) {
  const ProgramSignature signature = Describe(ProgramBuilder()
                                                  .Input("ids", {Free("s77"), Free("s27")}, "int64")
                                                  .Number("k")
                                                  .Output("", {Free("s77"), Known(4)}, "bfloat16"));
  ASSERT_THAT(Names(signature.inputs), ElementsAre("ids", "k"));
  EXPECT_EQ(signature.inputs[0].dtype, tensor::DType::kInt64);
  EXPECT_THAT(signature.inputs[0].shape(), ElementsAre(-1, -1));
  EXPECT_TRUE(signature.inputs[1].is_number);
  EXPECT_EQ(signature.inputs[1].dtype, tensor::DType::kInt64);
  EXPECT_EQ(signature.outputs[0].dtype, tensor::DType::kBf16);
  EXPECT_THAT(signature.outputs[0].shape(), ElementsAre(-1, 4));
}

TEST(ProgramSignatureTest, WhatWasFixedAtExportIsNoInput) {
  const ProgramSignature signature = Describe(ProgramBuilder()
                                                  .Input("x", {Known(1)})
                                                  .Fixed("flag", Argument(Kind::kInt, "", 2))
                                                  .Fixed("mode", Argument(Kind::kString, "mean"))
                                                  .Output("", {Known(1)}));
  EXPECT_THAT(Names(signature.inputs), ElementsAre("x"));
  EXPECT_THAT(signature.decisions, ElementsAre("argument \"flag\" was fixed to 2 at export: it is no input",
                                               "argument \"mode\" was fixed to \"mean\" at export: it is no input"));
}

TEST(ProgramSignatureTest, OutputsHaveTheKeysOrTheNamesOfATuple) {
  EXPECT_THAT(Names(Describe(ProgramBuilder().Output("", {Known(1)})).outputs), ElementsAre("OUTPUT__0"));
  const ProgramSignature tuple = Describe(ProgramBuilder()
                                              .Output("0", {Known(1)})
                                              .Output("1_0", GraphArgument{})
                                              .Output("1_1", Argument(Kind::kSymInt, "s")));
  EXPECT_THAT(Names(tuple.outputs), ElementsAre("OUTPUT__0", "OUTPUT__2"));
  EXPECT_THAT(tuple.decisions, ElementsAre(HasSubstr("\"OUTPUT__1\" is None")));
  EXPECT_EQ(tuple.outputs[1].result, 2u);
  EXPECT_TRUE(tuple.outputs[1].is_number);
  EXPECT_FALSE(tuple.has_keys);
  const ProgramSignature dict = Describe(ProgramBuilder().Output("a_0", {Known(1)}).Output("a_0", {Known(1)}));
  EXPECT_THAT(Names(dict.outputs), ElementsAre("a_0", "a_0_1"));
  EXPECT_TRUE(dict.has_keys);
}

TEST(ProgramSignatureTest, WhatCannotBeSentIsRefusedWithAWayOut) {
  EXPECT_THAT(Refusal(ProgramBuilder().Number("p", Kind::kSymFloat).Output("", {Known(1)})),
              AllOf(HasSubstr("input \"p\""), HasSubstr("a tensor there")));
  EXPECT_THAT(Refusal(ProgramBuilder().Input("x", {Known(1)}, "uint3").Output("", {Known(1)})),
              AllOf(HasSubstr("torch.uint3"), HasSubstr("convert it in forward")));
  EXPECT_THAT(Refusal(ProgramBuilder().Input("x", {Known(1)}).Output("", GraphArgument{})),
              HasSubstr("gives no tensor"));
}

TEST(ProgramRowsTest, OneSymbolInDimension0OfAllIsTheRows) {
  const ProgramRows rows =
      Rows(ProgramBuilder().Input("x", {Free("s0"), Known(3)}).Number("k").Output("", {Free("s0")}).Range("s0", 1, 16));
  EXPECT_TRUE(rows.are_first);
  EXPECT_EQ(rows.max, 16);
  EXPECT_THAT(rows.decision, HasSubstr("exported for 1 to 16 rows"));
}

TEST(ProgramRowsTest, DimAutosMinimumIsNone) {
  const auto rows_of = [](int64_t min) {
    return Rows(ProgramBuilder().Input("x", {Free("s0")}).Output("", {Free("s0")}).Range("s0", min));
  };
  EXPECT_EQ(rows_of(0).min, 1);
  EXPECT_EQ(rows_of(2).min, 1);
  EXPECT_THAT(rows_of(2).decision, HasSubstr("any number of rows"));
  EXPECT_EQ(rows_of(4).min, 4);
  EXPECT_THAT(rows_of(4).decision, AllOf(HasSubstr("4 rows or more"), HasSubstr("Fewer run as well")));
}

TEST(ProgramRowsTest, AStaticBatchHasTheLineToWrite) {
  const ProgramRows rows = Rows(ProgramBuilder().Input("img", {Known(1), Known(3)}).Output("", {Known(1)}));
  EXPECT_FALSE(rows.are_first);
  EXPECT_EQ(rows.fixed, 1);
  EXPECT_THAT(rows.decision, HasSubstr(R"(dynamic_shapes={"img": {0: torch.export.Dim("batch", min=1)}})"));
}

TEST(ProgramRowsTest, WhyThereAreNone) {
  const auto why = [](ProgramBuilder& builder) {
    const ProgramRows rows = Rows(builder);
    EXPECT_FALSE(rows.are_first);
    return rows.decision;
  };
  const auto x = [] {
    ProgramBuilder builder;
    builder.Input("x", {Free("s0"), Known(3)});
    return builder;
  };
  EXPECT_THAT(why(x().Output("h", {Known(2), Free("s0")})), HasSubstr("rows of output \"h\" are in dimension 1"));
  EXPECT_THAT(why(x().Input("h", {Known(2), Free("s0")}).Output("", {Free("s0")})),
              HasSubstr("rows of input \"h\" are in dimension 1"));
  EXPECT_THAT(why(x().Input("y", {Free("s1")}).Output("", {Free("s0")})), HasSubstr("the same torch.export.Dim"));
  EXPECT_THAT(why(x().Output("", {Free("s0"), Free("s0")})), HasSubstr("dimension 1 of output"));
  checkpoint::ExportedSize sum;
  sum.expression = "Add(Symbol('s0'), Integer(1))";
  EXPECT_THAT(why(x().Output("", {Free("s0"), sum})), HasSubstr("depends on the rows"));
  EXPECT_THAT(why(x().Output("", Argument(Kind::kInt))), HasSubstr("is a number"));
  EXPECT_THAT(why(x().Output("", testing::Sizes())), HasSubstr("has no dimension"));
  EXPECT_THAT(why(ProgramBuilder().Input("x", {Free("s0", 4)}).Output("", {Free("s0", 4)})),
              HasSubstr("4 rows at a time"));
  EXPECT_THAT(why(ProgramBuilder().Number("k").Output("", {Known(1)})), HasSubstr("it takes no tensor"));
}

}  // namespace
}  // namespace torchferry::plan
