#include "server/torch/run/weight_bytes.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/passes/freeze_module.h>

namespace torchferry::libtorch {
namespace {

torch::jit::Module TwoWeights() {
  torch::jit::Module module("m");
  const at::Tensor weight = torch::ones({3, 2});
  module.register_parameter("weight", weight, /*is_buffer=*/false);
  module.register_parameter("tied", weight.t(), /*is_buffer=*/false);
  module.register_buffer("scale", torch::ones({5}, at::kDouble));
  module.define("def forward(self, x):\n  return torch.mm(x, self.weight) * self.scale.sum() + self.tied.sum()\n");
  module.eval();
  return module;
}

constexpr uint64_t kBytes = 6 * sizeof(float) + 5 * sizeof(double);

TEST(WeightBytesTest, EachStorageCountsOnce) { EXPECT_EQ(WeightBytes(TwoWeights()), kBytes); }

TEST(WeightBytesTest, ConstantsOfTheCodeCount) {
  const torch::jit::Module frozen = torch::jit::freeze_module(TwoWeights());
  EXPECT_EQ(frozen.parameters().size(), 0u) << "its weights are in its code";
  EXPECT_GT(WeightBytes(frozen), 0u);
  EXPECT_LE(WeightBytes(frozen), kBytes + sizeof(double) + sizeof(float)) << "sums of constants may be folded";
}

}  // namespace
}  // namespace torchferry::libtorch
