#include "server/torch/graph/deny_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CheckGraphsTest, FindsADeniedOperatorInANestedBlock) {
  torch::jit::Module module("m");
  module.define(
      "def forward(self, x: Tensor, n: int) -> Tensor:\n"
      "  for i in range(n):\n    if i > 3:\n      torch.save(x, \"never\")\n  return x\n");
  const absl::Status status = CheckGraphs(module);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("aten::save"), HasSubstr("forward")));
}

TEST(CheckGraphsTest, LooksIntoSubmodulesAndOtherMethods) {
  torch::jit::Module child("c");
  child.define("def helper(self, x: Tensor) -> Tensor:\n  return torch.from_file(\"f\", False, 1)\n");
  torch::jit::Module module("m");
  module.register_module("child", child);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.relu(x)\n");
  EXPECT_THAT(base::MessageOf(CheckGraphs(module)), HasSubstr("aten::from_file"));
}

TEST(CheckGraphsTest, LetsAnOrdinaryModuleThrough) {
  torch::jit::Module module("m");
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.relu(x)\n");
  EXPECT_TRUE(CheckGraphs(module).ok());
}

}  // namespace
}  // namespace torchferry::libtorch
