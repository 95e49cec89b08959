#include "server/plan/program_operators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/plan/test_program.h"

namespace torchferry::plan {
namespace {

using checkpoint::GraphArgument;
using ::testing::AllOf;
using testing::Argument;
using ::testing::HasSubstr;
using testing::ProgramBuilder;
using Kind = GraphArgument::Kind;

std::string Refusal(ProgramBuilder& builder, bool trust = false) {
  const absl::Status status = CheckOperators(builder.Build(), trust);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument) << status;
  return base::MessageOf(status);
}

// A graph inside of a node.
GraphArgument Inner(const std::string& target) {
  GraphArgument argument = Argument(Kind::kGraph);
  argument.graph = std::make_shared<const checkpoint::ExportedGraph>(ProgramBuilder().Node(target).Build().graph);
  return argument;
}

TEST(ProgramOperatorsTest, TargetsAreTheDispatchersOperators) {
  const auto op = ParseOperator("torch.ops.aten.linear.default");
  ASSERT_TRUE(op.has_value());
  EXPECT_EQ(op->name, "aten::linear");
  EXPECT_EQ(op->overload, "");
  EXPECT_EQ(ParseOperator("torch.ops.aten.add.Tensor")->overload, "Tensor");
  for (const char* target : {"torch.ops.higher_order.cond", "_operator.mul", "torch.ops.aten", "torch.ops.aten.",
                             "torch.ops..x.y", "torch.ops.aten.x", "torch.ops.aten..y", "torch.ops.aten.x.", ""}) {
    EXPECT_FALSE(ParseOperator(target).has_value()) << target;
  }
  EXPECT_EQ(HigherOrderName("torch.ops.higher_order.cond"), "cond");
  EXPECT_TRUE(IsSizeOperator("_operator.floordiv"));
  EXPECT_FALSE(IsSizeOperator("_operator.setitem"));
}

TEST(ProgramOperatorsTest, WhatExportWritesIsAllowed) {
  ProgramBuilder builder;
  for (const char* target :
       {"torch.ops.aten.linear.default", "torch.ops.aten.sym_size.int", "torch.ops.aten._assert_scalar.default",
        "torch.ops.aten.sym_constrain_range_for_size.default", "torch.ops.aten._assert_tensor_metadata.default",
        "_operator.mul", "math.trunc", "torch.sym_max", "torch.ops.higher_order.cond"}) {
    builder.Node(target);
  }
  EXPECT_EQ(Refusal(builder), "");
}

TEST(ProgramOperatorsTest, OperatorsOfLibrariesAreNamedInsideOfGraphsToo) {
  ProgramBuilder builder;
  builder.Node("torch.ops.torchvision.nms.default")
      .Node("torch.ops.torchvision.nms.default")
      .Node("torch.ops.higher_order.cond", {Inner("torch.ops.zoo.f.default")});
  EXPECT_THAT(Refusal(builder), HasSubstr("not PyTorch's own: torchvision.nms, zoo.f."));
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.zoo.g.default"), /*trust=*/true), HasSubstr("zoo.g"));
}

TEST(ProgramOperatorsTest, OnlyAutocastThatIsOnIsRefused) {
  const auto autocast = [](int64_t enabled) {
    return Refusal(ProgramBuilder().Node(
        "torch.ops.higher_order.wrap_with_autocast",
        {Argument(Kind::kString, "cpu"), Argument(Kind::kDType, "bfloat16"), Argument(Kind::kBool, "", enabled)}));
  };
  EXPECT_THAT(autocast(1), HasSubstr("ep.run_decompositions({})"));
  EXPECT_EQ(autocast(0), "");
}

TEST(ProgramOperatorsTest, WhatIsNotRunIsNamedWithAWayOut) {
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.higher_order.map_impl")),
              AllOf(HasSubstr("\"map_impl\""), HasSubstr("torch.vmap")));
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.higher_order.flex_attention")),
              HasSubstr("scaled_dot_product_attention"));
  EXPECT_THAT(Refusal(ProgramBuilder().Node("builtins.exec")), HasSubstr("\"builtins.exec\""));
}

TEST(ProgramOperatorsTest, TheListOfWhatAModelMayUseHolds) {
  ProgramBuilder builder;
  builder.Node("torch.ops.aten.save.default");
  EXPECT_THAT(Refusal(builder),
              AllOf(HasSubstr("aten.save, which reads or writes files"), HasSubstr("--trust-model-code")));
  EXPECT_EQ(Refusal(ProgramBuilder().Node("torch.ops.aten.save.default"), /*trust=*/true), "");
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default")),
              HasSubstr("run_decompositions({})"));
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.aten.of_tomorrow.default")), HasSubstr("is not on the list"));
  EXPECT_THAT(Refusal(ProgramBuilder().Node("torch.ops.prim.Print.default"), /*trust=*/true), HasSubstr("prim.Print"));
}

}  // namespace
}  // namespace torchferry::plan
