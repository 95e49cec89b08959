#include "server/torch/load/row_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "server/base/status.h"
#include "server/torch/run/torch_model.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

config::TensorConfig Tensor(std::string name, tensor::Shape dims, tensor::DType dtype = tensor::DType::kFp32) {
  config::TensorConfig tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.dims = std::move(dims);
  return tensor;
}

class RowTrialTest : public ::testing::Test {
 protected:
  RowTrialTest() {
    config_.name = "m";
    config_.max_batch_size = 8;
    config_.dynamic_batching.emplace();
    config_.inputs = {Tensor("x", {3, 4})};
  }

  absl::StatusOr<RowFindings> Try(const std::string& body, bool is_random = false) {
    torch::jit::Module module("m");
    module.define("def forward(self, x: Tensor):\n" + body);
    module.eval();
    auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config_);
    if (!signature.ok()) return signature.status();
    const auto model = MakeTorchModel(module, *std::move(signature), tensor::DeviceId::Cpu());
    return TryRows(*model, config_, base::StoreFolder(::testing::TempDir()), is_random, info_);
  }

  config::ModelConfig config_;
  model::ModelInfo info_;
};

TEST_F(RowTrialTest, RowsThatAreIndependentShare) {
  const auto found = Try("  return torch.softmax(x, 1)\n");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->shares_forward_passes);
  EXPECT_THAT(info_.warnings, IsEmpty());
}

// As attention over a sequence that is first does.
TEST_F(RowTrialTest, RowsThatSeeOneAnotherDoNot) {
  for (const std::string body : {"  return torch.softmax(x, 0)\n", "  return x - x.mean(0)\n",
                                 "  return torch.cumsum(x, 0)\n", "  return torch.flip(x, [0])\n"}) {
    info_ = {};
    const auto found = Try(body);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_FALSE(found->shares_forward_passes) << body;
    EXPECT_THAT(info_.warnings, ElementsAre(HasSubstr("no forward pass is shared")));
  }
}

TEST_F(RowTrialTest, RowsThatFailTogetherDoNot) {
  const auto found = Try("  return x.view([1, 12])\n");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->shares_forward_passes);
  EXPECT_THAT(info_.warnings, ElementsAre(HasSubstr("shape '[1, 12]' is invalid for input of size 24")));
}

TEST_F(RowTrialTest, WhatDrawsNumbersIsNotComparedNorWhatIsNotBatched) {
  EXPECT_TRUE(Try("  return x - x.mean(0)\n", /*is_random=*/true)->shares_forward_passes);
  config_.dynamic_batching.reset();
  EXPECT_TRUE(Try("  return x - x.mean(0)\n")->shares_forward_passes);
  EXPECT_THAT(info_.warnings, IsEmpty());
}

TEST_F(RowTrialTest, DeclaredSizesThatAreWrongAreSaid) {
  config_.outputs = {Tensor("y", {3, 5}), Tensor("z", {3, 4}), Tensor("s", {7})};
  const auto found = Try("  return x, x, x.sum(2)\n");
  ASSERT_TRUE(found.ok()) << found.status();
  using Shapes = std::vector<std::pair<size_t, tensor::Shape>>;
  EXPECT_EQ(found->output_shapes, (Shapes{{0, {-1, 3, 4}}, {2, {-1, 3}}}));
  EXPECT_THAT(info_.warnings, ElementsAre(AllOf(HasSubstr("\"y\" has shape [1, 3, 4]"), HasSubstr("[-1, 3, 5]")),
                                          HasSubstr("\"s\" has shape [1, 3]")));
}

TEST_F(RowTrialTest, WhereInputsAreOfAnySizeSoMayOutputsBe) {
  config_.inputs = {Tensor("x", {-1, 4})};
  config_.outputs = {Tensor("y", {5, 4})};
  const auto found = Try("  return x\n");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->output_shapes.at(0).second, (tensor::Shape{-1, -1, 4}));
}

TEST_F(RowTrialTest, AnOutputThatIsNoneIsSaid) {
  config_.outputs = {Tensor("y", {3, 4}), Tensor("aux", {3, 4})};
  const auto found = Try("  no: Optional[Tensor] = None\n  return x, no\n");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(info_.warnings, ElementsAre(HasSubstr("\"aux\" of config.pbtxt is None")));
}

TEST_F(RowTrialTest, AnAnswerThatContradictsTheConfigIsAnError) {
  const auto error = [this](const std::string& body) {
    const auto found = Try(body);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition) << body;
    return base::MessageOf(found.status());
  };
  EXPECT_THAT(error("  return x.sum()\n"), AllOf(HasSubstr("dimension 0 must be the rows"), HasSubstr("model_warmup")));
  EXPECT_THAT(error("  return x.to_sparse()\n"), HasSubstr("no form on the wire"));
  config_.outputs = {Tensor("y", {3}, tensor::DType::kFp32)};
  EXPECT_THAT(error("  return x.argmax(2)\n"), AllOf(HasSubstr("\"y\" has dtype INT64"), HasSubstr("declares FP32")));
  EXPECT_THAT(error("  return {'a': x}\n"), HasSubstr("\"y\", which the model's dict does not have"));
}

// Values may be the reason: that is for the warm-up to say.
TEST_F(RowTrialTest, AModelThatRaisesIsNoError) {
  const auto found = Try("  return torch.matmul(x, torch.zeros([7, 7]))\n");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->shares_forward_passes);
}

}  // namespace
}  // namespace torchferry::libtorch
