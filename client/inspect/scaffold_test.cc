#include "client/inspect/scaffold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Scaffold(const std::vector<std::pair<std::string, tensor::Shape>>& tensors) {
  Inspection inspection;
  for (const auto& [name, shape] : tensors) inspection.tensors.push_back({name, name, tensor::DType::kFp32, shape, 0});
  return ScaffoldForward(inspection);
}

TEST(ScaffoldTest, ShapesSuggestTheCalls) {
  EXPECT_THAT(Scaffold({{"fc.weight", {2, 3}}, {"fc.bias", {2}}}),
              HasSubstr("    x = F.linear(x, self.fc.weight, self.fc.bias)\n"));
  EXPECT_THAT(Scaffold({{"fc.weight", {2, 3}}}), HasSubstr("F.linear(x, self.fc.weight, None)"));
  EXPECT_THAT(Scaffold({{"c.0.weight", {8, 4, 3, 5}}, {"c.0.bias", {8}}}),
              HasSubstr("torch.conv2d(x, self.c[0].weight, self.c[0].bias, [1, 1], [1, 2])"));
  EXPECT_THAT(Scaffold({{"c.weight", {8, 4, 3}}}), HasSubstr("torch.conv1d(x, self.c.weight, None, [1], [1])"));
  EXPECT_THAT(Scaffold({{"bn.weight", {8}},
                        {"bn.bias", {8}},
                        {"bn.running_mean", {8}},
                        {"bn.running_var", {8}},
                        {"bn.num_batches_tracked", {}}}),
              HasSubstr("torch.batch_norm(x, self.bn.weight, self.bn.bias, self.bn.running_mean, "
                        "self.bn.running_var, False, 0.1, 1e-5, False)"));
  EXPECT_THAT(Scaffold({{"ln.weight", {8}}, {"ln.bias", {8}}}),
              HasSubstr("torch.layer_norm(x, [8], self.ln.weight, self.ln.bias, 1e-5)"));
  EXPECT_THAT(Scaffold({{"tok_emb.weight", {100, 8}}}), HasSubstr("torch.embedding(self.tok_emb.weight, x)"));
}

TEST(ScaffoldTest, RecurrentWeightsAreGivenInTheOperatorsOrder) {
  EXPECT_THAT(Scaffold({{"r.weight_ih_l0", {16, 3}},
                        {"r.weight_hh_l0", {16, 4}},
                        {"r.bias_ih_l0", {16}},
                        {"r.bias_hh_l0", {16}},
                        {"r.weight_ih_l0_reverse", {16, 3}},
                        {"r.weight_hh_l0_reverse", {16, 4}},
                        {"r.bias_ih_l0_reverse", {16}},
                        {"r.bias_hh_l0_reverse", {16}}}),
              AllOf(HasSubstr("torch.zeros([2, x.size(0), 4]"),
                    HasSubstr("torch.lstm(x, [state, state], [self.r.weight_ih_l0, self.r.weight_hh_l0, "
                              "self.r.bias_ih_l0, self.r.bias_hh_l0, self.r.weight_ih_l0_reverse, "
                              "self.r.weight_hh_l0_reverse, self.r.bias_ih_l0_reverse, "
                              "self.r.bias_hh_l0_reverse], True, 1, 0.0, False, True, True)[0]")));
  EXPECT_THAT(Scaffold({{"r.weight_ih_l0", {12, 3}}, {"r.weight_hh_l0", {12, 4}}}),
              HasSubstr("torch.gru(x, state, [self.r.weight_ih_l0, self.r.weight_hh_l0], False, 1"));
}

TEST(ScaffoldTest, WhatShapesDoNotTellIsNamedAndLeftOpen) {
  EXPECT_THAT(
      Scaffold({{"attn.in_proj_weight", {24, 8}}, {"scale", {}}}),
      AllOf(HasSubstr("# self.attn: in_proj_weight [24, 8]"), HasSubstr("# self.attn.in_proj_weight is not used yet"),
            HasSubstr("# self: scale []"), HasSubstr("    return x\n"), Not(HasSubstr("F.linear"))));
}

TEST(ScaffoldTest, NamesThatTheLanguageKeepsAreReachedOtherwise) {
  EXPECT_THAT(
      Scaffold({{"class.weight", {2, 3}}, {"type.weight", {2, 3}}, {"forward.weight", {2, 3}}}),
      AllOf(HasSubstr("getattr(self, \"class\").weight"), HasSubstr("self.type.weight"), Not(HasSubstr("# type")),
            HasSubstr("# self.forward: weight [2, 3]\n    # forward.py cannot name these"),
            Not(HasSubstr("self.forward.weight"))));
}

TEST(ScaffoldTest, TensorsThatAreLeftOutAreLeftOut) {
  Inspection inspection;
  inspection.tensors.push_back({"n_averaged", "", tensor::DType::kInt64, {}, 8});
  EXPECT_THAT(ScaffoldForward(inspection), Not(HasSubstr("n_averaged")));
}

}  // namespace
}  // namespace torchferry::client
