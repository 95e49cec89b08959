#include "server/torch/precision_border.h"

#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/torch/convert.h"
#include "server/torch/place_module.h"
#include "server/torch/torch_model.h"
#include "server/torch/trial_run.h"

namespace torchferry {
namespace {

torch::jit::Module Linear(at::ScalarType type) {
  torch::jit::Module module("m");
  module.register_parameter("w", at::linspace(-1, 1, 12).view({3, 4}).to(type), false);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.w)\n");
  module.eval();
  return module;
}

// As the loader makes it, on the CPU.
std::shared_ptr<Model> Make(const torch::jit::Module& module, const PrecisionPlan& plan, const ModelConfig& config) {
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config);
  EXPECT_TRUE(signature.ok()) << signature.status();
  RewriteTarget target{at::kCPU, true, {}, ToTorch(plan.to).value()};
  for (const DType type : plan.from) target.from.push_back(ToTorch(type).value());
  const PrecisionBorder border(plan, module, *signature);
  return MakeTorchModel(PlaceModule(module, target).module, *std::move(signature), DeviceId::Cpu(), std::nullopt, border);
}

NamedTensor Predict(Model& model, const at::Tensor& x) {
  const BoundInputs inputs{{{FromTorch(x, Shape(x.sizes().begin(), x.sizes().end()))}}, x.size(0)};
  const BoundInputs* const requests[] = {&inputs};
  auto outputs = model.Predict(requests);
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? (*outputs)[0][0] : NamedTensor{};
}

PrecisionPlan Cast(DType from, DType to) {
  PrecisionPlan plan;
  plan.from = {from};
  plan.to = to;
  return plan;
}

ModelConfig Declared(DType input, DType output) {
  ModelConfig config;
  config.inputs.resize(1);
  config.inputs[0] = {.name = "x", .dtype = input, .dims = {kAnyDim, 4}, .reshape = {}, .is_optional = false};
  config.outputs.resize(1);
  config.outputs[0] = {.name = "y", .dtype = output, .dims = {kAnyDim, 3}, .reshape = {}, .is_optional = false};
  return config;
}

TEST(PrecisionBorderTest, ClientsSeeTheTypesOfTheFile) {
  const auto model = Make(Linear(at::kHalf), Cast(DType::kFp16, DType::kFp32), {});
  const at::Tensor x = at::randn({2, 4});
  EXPECT_EQ(Predict(*model, x.to(at::kHalf)).tensor.dtype, DType::kFp16);
}

TEST(PrecisionBorderTest, OrThoseOfTheConfig) {
  const at::Tensor x = at::randn({2, 4});
  // Which the weights as they are would not take.
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(DType::kFp16, DType::kFp32), Declared(DType::kFp32, DType::kFp32)), x).tensor.dtype,
            DType::kFp32);
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(DType::kFp16, DType::kFp32), Declared(DType::kFp32, DType::kFp16)), x).tensor.dtype,
            DType::kFp16);
  EXPECT_EQ(Predict(*Make(Linear(at::kFloat), Cast(DType::kFp32, DType::kBf16), Declared(DType::kFp32, DType::kFp32)), x).tensor.dtype,
            DType::kFp32);
}

TEST(PrecisionBorderTest, AutocastComputesInBf16AndAnswersInFp32) {
  PrecisionPlan plan;
  plan.autocast_bf16 = true;
  const torch::jit::Module module = Linear(at::kFloat);
  const at::Tensor x = at::randn({8, 4});
  const NamedTensor with = Predict(*Make(module, plan, {}), x);
  const NamedTensor without = Predict(*Make(module, {}, {}), x);
  ASSERT_EQ(with.tensor.dtype, DType::kFp32);
  const auto deviation = Deviation({{with}}, {{without}});
  ASSERT_TRUE(deviation.ok()) << deviation.status();
  EXPECT_GT(*deviation, 0);
  EXPECT_LT(*deviation, 0.02);
  // Nothing of it stays on the thread.
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
}

TEST(TrialRunTest, MakesUpWhatTheConfigDeclaresAndNothingElse) {
  const torch::jit::Module module = Linear(at::kFloat);
  const auto& schema = module.get_method("forward").function().getSchema();
  EXPECT_FALSE(MadeUpInputs(MakeSignature(schema, {})->signature).has_value());
  ModelConfig config = Declared(DType::kFp32, DType::kFp32);
  config.max_batch_size = 8;
  config.inputs[0].dims = {5, 4};
  const auto inputs = MadeUpInputs(MakeSignature(schema, config)->signature);
  ASSERT_TRUE(inputs.has_value());
  EXPECT_EQ(inputs->values[0][0].shape, (Shape{1, 5, 4}));
  EXPECT_EQ(inputs->values[0][0].bytes.size(), 80U);
}

}  // namespace
}  // namespace torchferry
