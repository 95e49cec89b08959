#include "server/torch/graph/native_outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;

ModelSignature SignatureOf(const torch::jit::Module& module, const config::ModelConfig& config = {}) {
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config);
  EXPECT_TRUE(signature.ok()) << signature.status();
  return *std::move(signature);
}

// A module with a weight of FP16, `half`, and one of FP32, `full`; which of its outputs are FP32 of their own accord.
std::vector<bool> Native(const std::string& body, const std::string& result = "Tensor",
                         const config::ModelConfig& config = {}) {
  torch::jit::Module module("m");
  module.register_parameter("half", at::ones({4}, at::kHalf), false);
  module.register_parameter("full", at::ones({4}), false);
  module.define("def forward(self, x: Tensor) -> " + result + ":\n  " + body + "\n");
  return NativeOutputs(module, SignatureOf(module, config), at::kFloat);
}

TEST(NativeOutputsTest, FollowsWeightsCastsAndFactories) {
  EXPECT_THAT(Native("return x * self.half"), ElementsAre(false));
  EXPECT_THAT(Native("return x * self.full"), ElementsAre(true));
  EXPECT_THAT(Native("return (x * self.half).to(6)"), ElementsAre(true));
  EXPECT_THAT(Native("return (x * self.full).to(5)"), ElementsAre(false));
  EXPECT_THAT(Native("return torch.softmax(x * self.half, -1, dtype=6)"), ElementsAre(true));
  EXPECT_THAT(Native("return torch.softmax(x * self.half, -1)"), ElementsAre(false));
  EXPECT_THAT(Native("return x * self.half + torch.zeros([4])"), ElementsAre(true));
  EXPECT_THAT(Native("return x * self.half + torch.zeros([4], dtype=x.dtype)"), ElementsAre(false));
  EXPECT_THAT(Native("return x * self.half + torch.zeros_like(x)"), ElementsAre(false));
  EXPECT_THAT(Native("return (x * self.full).type_as(self.half)"), ElementsAre(false));
  EXPECT_THAT(Native("return (x * self.full).to(self.half)"), ElementsAre(false));
  EXPECT_THAT(Native("return torch.add_(x * self.half, self.full)"), ElementsAre(false));
}

TEST(NativeOutputsTest, EachOutputOfATupleOrDict) {
  EXPECT_THAT(Native("return x * self.half, x * self.full", "Tuple[Tensor, Tensor]"), ElementsAre(false, true));
  EXPECT_THAT(Native("return {'a': x * self.full, 'b': x * self.half}", "Dict[str, Tensor]"), ElementsAre(true, false));
}

TEST(NativeOutputsTest, BranchesAndLoops) {
  EXPECT_THAT(Native("if x.size(0) > 1:\n    y = x * self.half\n  else:\n    y = x * self.full\n  return y"),
              ElementsAre(true));
  EXPECT_THAT(Native("for i in range(3):\n    x = x * self.half\n  return x"), ElementsAre(false));
  EXPECT_THAT(Native("for i in range(3):\n    x = x * self.full\n  return x"), ElementsAre(true));
}

TEST(NativeOutputsTest, AnInputIsOfTheTypeThatTheConfigDeclares) {
  config::ModelConfig config;
  config::TensorConfig x;
  x.name = "x";
  x.dtype = tensor::DType::kFp32;
  x.dims = {4};
  config.inputs = {x};
  EXPECT_THAT(Native("return x * self.half", "Tensor", config), ElementsAre(true));
  config.inputs[0].dtype = tensor::DType::kFp16;
  EXPECT_THAT(Native("return x * self.half", "Tensor", config), ElementsAre(false));
}

}  // namespace
}  // namespace torchferry::libtorch
