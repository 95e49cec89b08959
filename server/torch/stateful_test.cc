#include "server/torch/stateful.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(RefuseStatefulTest, NamesTheAttributeThatForwardAssigns) {
  torch::jit::Module module("m");
  module.register_buffer("count", at::zeros({1}));
  module.define("def forward(self, x: Tensor) -> Tensor:\n  self.count = self.count + 1\n  return x + self.count\n");
  const absl::Status status = RefuseStateful(module, "m/1/m.pt");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("m/1/m.pt"), HasSubstr("self.count")));
}

TEST(RefuseStatefulTest, LetsAModuleWithoutStateThrough) {
  torch::jit::Module module("m");
  module.register_buffer("count", at::zeros({1}));
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x + self.count\n");
  EXPECT_TRUE(RefuseStateful(module, "m").ok());
}

}  // namespace
}  // namespace torchferry
