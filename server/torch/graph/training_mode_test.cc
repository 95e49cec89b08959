#include "server/torch/graph/training_mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using torch::jit::Module;

// As torch.jit.load makes it: with a `training` that says how it was saved.
Module Make(const std::string& body, bool was_training) {
  Module module("m");
  module.register_attribute("training", c10::BoolType::get(), was_training);
  module.register_buffer("running_mean", at::full({2}, 1.F));
  module.register_buffer("running_var", at::full({2}, 4.F));
  module.register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  module.define("def forward(self, x: Tensor) -> Tensor:\n" + body);
  return module;
}

at::Tensor Forward(Module& module, const at::Tensor& x) { return module.forward({x}).toTensor(); }

constexpr char kNorm[] =
    "  self.num_batches_tracked.add_(1)\n"
    "  return torch.batch_norm(x, None, None, self.running_mean, self.running_var, True, 0.1, 0., False)\n";

TEST(TrainingModeTest, DropoutOfATraceInTrainingModeIsTurnedOff) {
  for (const std::string body :
       {"  return torch.dropout(x, 0.5, True)\n", "  return torch.feature_dropout(x, 0.5, True)\n",
        "  return torch.alpha_dropout(x, 0.5, True)\n", "  return torch.dropout_(x.clone(), 0.5, True)\n"}) {
    Module module = Make(body, true);
    EXPECT_THAT(MakeInferenceMode(module), ElementsAre(AllOf(HasSubstr("training mode"), HasSubstr("dropout"))));
    const at::Tensor x = at::ones({64, 64});
    EXPECT_TRUE(at::equal(Forward(module, x), x)) << body;
    EXPECT_FALSE(module.is_training());
  }
}

TEST(TrainingModeTest, BatchNormUsesItsRunningStatisticsAndCountsNothing) {
  Module module = Make(kNorm, true);
  EXPECT_THAT(MakeInferenceMode(module), ElementsAre(HasSubstr("batch_norm")));
  const at::Tensor y = Forward(module, at::full({3, 2}, 5.F));
  EXPECT_TRUE(at::equal(y, at::full({3, 2}, 2.F)));  // (5 - 1) / sqrt(4)
  EXPECT_EQ(module.attr("num_batches_tracked").toTensor().item<int64_t>(), 0);
  EXPECT_TRUE(at::equal(module.attr("running_mean").toTensor(), at::full({2}, 1.F)));
}

TEST(TrainingModeTest, BatchNormWithoutStatisticsKeepsItsOwn) {
  Module module = Make("  return torch.batch_norm(x, None, None, None, None, True, 0.1, 0., False)\n", true);
  EXPECT_THAT(MakeInferenceMode(module), IsEmpty());
  EXPECT_TRUE(at::allclose(Forward(module, at::arange(6).view({3, 2}).to(at::kFloat)).mean(0), at::zeros({2})));
}

TEST(TrainingModeTest, OtherOperatorsThatTrainFollowTheSchema) {
  Module rrelu = Make("  return torch.rrelu(x, 0.2, 0.4, True)\n", true);
  EXPECT_THAT(MakeInferenceMode(rrelu), ElementsAre(HasSubstr("rrelu")));
  EXPECT_TRUE(at::allclose(Forward(rrelu, at::full({8, 8}, -1.F)), at::full({8, 8}, -0.3F)));
  Module attention = Make("  return torch.scaled_dot_product_attention(x, x, x, None, 0.5)\n", true);
  EXPECT_THAT(MakeInferenceMode(attention), ElementsAre(HasSubstr("scaled_dot_product_attention")));
  const at::Tensor x = at::ones({1, 8, 4});
  EXPECT_TRUE(at::allclose(Forward(attention, x), x));
}

TEST(TrainingModeTest, StochasticDepthOfATraceInTrainingModeIsSaid) {
  Module module = Make("  return x * torch.bernoulli_(torch.empty_like(x), 0.5)\n", true);
  EXPECT_THAT(MakeInferenceMode(module), ElementsAre(AllOf(HasSubstr("aten::bernoulli"), HasSubstr("random"))));
}

TEST(TrainingModeTest, WhatWasSavedInEvalModeIsMeantAndSaid) {
  Module module = Make("  return torch.dropout(x, 0.5, True)\n", false);
  EXPECT_THAT(MakeInferenceMode(module), ElementsAre(AllOf(HasSubstr("aten::dropout trains"), HasSubstr("random"))));
  EXPECT_FALSE(at::equal(Forward(module, at::ones({64, 64})), at::ones({64, 64})));
}

TEST(TrainingModeTest, NothingIsSaidWhereEvalIsEnough) {
  Module module = Make("  return torch.dropout(x, 0.5, self.training)\n", true);
  EXPECT_THAT(MakeInferenceMode(module), IsEmpty());
  EXPECT_TRUE(at::equal(Forward(module, at::ones({8})), at::ones({8})));
}

// Each part says for itself how it was saved.
TEST(TrainingModeTest, PartsAreLookedAtOneByOne) {
  Module outer("outer");
  outer.register_attribute("training", c10::BoolType::get(), false);
  outer.register_module("part", Make("  return torch.dropout(x, 0.5, True)\n", true));
  outer.define("def forward(self, x: Tensor) -> Tensor:\n  return self.part.forward(x)\n");
  EXPECT_THAT(MakeInferenceMode(outer), ElementsAre(HasSubstr("1 places")));
  EXPECT_TRUE(at::equal(Forward(outer, at::ones({64})), at::ones({64})));
}

}  // namespace
}  // namespace torchferry::libtorch
