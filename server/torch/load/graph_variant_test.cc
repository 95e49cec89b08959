#include "server/torch/load/graph_variant.h"

#include <gtest/gtest.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/torch/device/convert.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

torch::jit::Module Define(const std::string& source) {
  torch::jit::Module module("m");
  module.register_parameter("weight", at::arange(54, at::kFloat).view({2, 3, 3, 3}).div(50), /*is_buffer=*/false);
  module.register_attribute("training", c10::BoolType::get(), false);
  module.define(source);
  module.eval();
  return module;
}

TEST(GraphVariantTest, EachAnswersAlikeAndLeavesTheModuleAsItIs) {
  const torch::jit::Module module = Define(
      "def forward(self, x: Tensor) -> Tensor:\n  return torch.relu(torch.conv2d(x, self.weight * 2.0)).sum(3)\n");
  const at::Tensor x = at::arange(150, at::kFloat).view({2, 3, 5, 5}).sin();
  torch::jit::Module plain = module;
  const at::Tensor expected = plain.forward({x}).toTensor();
  const std::string before = plain.get_method("forward").graph()->toString();
  CodeOwner code;
  for (const char* variant : {"plain", "frozen", "inference", "channels_last"}) {
    torch::jit::Module prepared = PrepareGraph(module, variant, code);
    for (int run = 0; run < 3; ++run) {
      EXPECT_TRUE(at::allclose(prepared.forward({x}).toTensor(), expected, 1e-5, 1e-5)) << variant;
    }
    EXPECT_EQ(plain.get_method("forward").graph()->toString(), before) << variant;
    EXPECT_TRUE(module.attr("weight").toTensor().is_contiguous()) << variant;
  }
  EXPECT_THROW(PrepareGraph(module, "fast", code), std::exception);
  EXPECT_TRUE(HasImageWeights(module));
}

// Constants of the graph of `forward`.
std::vector<c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>> ConstantsOf(
    const torch::jit::Module& module) {
  std::vector<c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>> constants;
  for (const torch::jit::Node* node : module.get_method("forward").graph()->nodes()) {
    if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) continue;
    if (node->kindOf(c10::attr::value) != torch::jit::AttributeKind::t) continue;
    constants.emplace_back(node->t(c10::attr::value).getIntrusivePtr());
  }
  return constants;
}

TEST(GraphVariantTest, WhatIsFrozenGoesWithItsOwnerAndTheOriginalStays) {
  torch::jit::Module module =
      Define("def forward(self, x: Tensor) -> Tensor:\n  return torch.conv2d(x, self.weight * 2.0)\n");
  const at::Tensor x = at::ones({1, 3, 5, 5});
  const auto functions = [&] {
    const auto all = module._ivalue()->compilation_unit()->get_functions();
    return all.size() - static_cast<size_t>(std::ranges::count(all, nullptr));
  };
  const size_t before = functions();
  for (const char* variant : {"frozen", "inference", "channels_last"}) {
    std::optional<CodeOwner> code(std::in_place);
    std::optional<torch::jit::Module> prepared = PrepareGraph(module, variant, *code);
    prepared->forward({x});
    const auto constants = ConstantsOf(*prepared);
    // Those of oneDNN are of a kind of its own.
    EXPECT_EQ(constants.empty(), std::string_view(variant) == "inference") << variant;
    EXPECT_GT(functions(), before) << variant;
    std::optional<CodeOwner> second = code;
    code.reset();
    prepared->forward({x});  // one owner is left
    prepared.reset();
    second.reset();
    for (const auto& constant : constants) EXPECT_TRUE(constant.expired()) << variant;
    EXPECT_EQ(functions(), before) << variant;
  }
  EXPECT_TRUE(module.forward({x}).toTensor().defined());
}

TEST(GraphVariantTest, BranchesOnValuesAreToldFromThoseOnShapes) {
  const auto branches = [](const std::string& body) {
    return BranchesOnValues(Define("def forward(self, x: Tensor) -> Tensor:\n" + body));
  };
  EXPECT_FALSE(branches("  return x * 2\n"));
  EXPECT_FALSE(branches("  if x.dim() == 2:\n    return x\n  return x.view(x.size(0), -1)\n"));
  EXPECT_FALSE(branches("  return x + float(x.sum())\n"));
  EXPECT_TRUE(branches("  if x.min() < 0:\n    return x\n  return x + 1\n"));
  EXPECT_TRUE(branches("  for i in range(int(x.sum())):\n    x = x + 1\n  return x\n"));
  EXPECT_TRUE(branches("  while bool(x.max() > 1.0):\n    x = x / 2\n  return x\n"));
}

TEST(GraphVariantTest, WhatIsNotFiniteInBothIsNoDeviation) {
  const float nan = std::nanf("");
  const float inf = std::numeric_limits<float>::infinity();
  const auto deviation = [](const std::vector<float>& a, const std::vector<float>& b) {
    const auto outputs = [](const std::vector<float>& values) -> std::vector<model::Outputs> {
      return {{{"y", FromTorch(at::tensor(values), {static_cast<int64_t>(values.size())})}}};
    };
    return Deviation(outputs(a), outputs(b)).value();
  };
  EXPECT_EQ(deviation({1, -inf, nan, 4}, {1, -inf, nan, 4}), 0);
  EXPECT_FLOAT_EQ(static_cast<float>(deviation({1, -inf, 5}, {1, -inf, 4})), 0.25F);
  EXPECT_EQ(deviation({1, inf}, {1, -inf}), inf);
  EXPECT_EQ(deviation({1, nan}, {1, 2}), inf);
  EXPECT_EQ(deviation({1, 2}, {1, nan}), inf);
}

}  // namespace
}  // namespace torchferry::libtorch
