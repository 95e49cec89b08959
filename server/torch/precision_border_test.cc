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
  const PrecisionBorder border(plan, module, std::nullopt, *signature);
  return MakeTorchModel(PlaceModule(module, target).module, *std::move(signature), DeviceId::Cpu(), std::nullopt,
                        border);
}

NamedTensor Predict(Model& model, const at::Tensor& x) {
  const BoundInputs inputs{{{FromTorch(x, Shape(x.sizes().begin(), x.sizes().end()))}}, x.size(0)};
  const BoundInputs* const requests[] = {&inputs};
  PhaseTimes ignored;
  auto outputs = model.Predict(requests, ignored);
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

// Where the types do not follow from the code alone, PyTorch's own rules are asked.
TEST(PrecisionBorderTest, OutputsAreOfTheTypesThatTheModelWouldGive) {
  struct OutputCase {
    std::string body;
    std::string result;
    std::vector<DType> types;
  };
  const std::vector<OutputCase> cases = {
      {"return x * self.scale", "Tensor", {DType::kFp16}},  // a number of FP32 does not promote
      {"return x * self.w, torch.softmax(x * self.w, -1, dtype=6)",
       "Tuple[Tensor, Tensor]",
       {DType::kFp16, DType::kFp32}},
      {"return (x * self.w).view(self.like.shape), x.expand_as(self.like)",
       "Tuple[Tensor, Tensor]",
       {DType::kFp16, DType::kFp16}},
      {"y = torch.zeros([4])\n  for i in range(3):\n    y = y + x\n  return y, torch.argmax(y)",
       "Tuple[Tensor, Tensor]",
       {DType::kFp32, DType::kInt64}},
  };
  for (const OutputCase& c : cases) {
    SCOPED_TRACE(c.body);
    torch::jit::Module module("m");
    module.register_parameter("w", at::ones({4}, at::kHalf), false);
    module.register_parameter("scale", at::scalar_tensor(2.0), false);
    module.register_buffer("like", at::zeros({1, 4}));
    module.define("def forward(self, x: Tensor) -> " + c.result + ":\n  " + c.body + "\n");
    module.eval();
    const auto model = Make(module, Cast(DType::kFp16, DType::kFp32), {});
    const at::Tensor x = at::ones({1, 4}, at::kHalf);
    const BoundInputs inputs{{{FromTorch(x, {1, 4})}}, 1};
    const BoundInputs* const requests[] = {&inputs};
    for (int run = 0; run < 2; ++run) {
      PhaseTimes ignored;
      const auto outputs = model->Predict(requests, ignored);
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      std::vector<DType> types;
      for (const NamedTensor& output : (*outputs)[0]) types.push_back(output.tensor.dtype);
      EXPECT_EQ(types, c.types);
    }
  }
}

TEST(PrecisionBorderTest, OrThoseOfTheConfig) {
  const at::Tensor x = at::randn({2, 4});
  // Which the weights as they are would not take.
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(DType::kFp16, DType::kFp32), Declared(DType::kFp32, DType::kFp32)), x)
                .tensor.dtype,
            DType::kFp32);
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(DType::kFp16, DType::kFp32), Declared(DType::kFp32, DType::kFp16)), x)
                .tensor.dtype,
            DType::kFp16);
  EXPECT_EQ(
      Predict(*Make(Linear(at::kFloat), Cast(DType::kFp32, DType::kBf16), Declared(DType::kFp32, DType::kFp32)), x)
          .tensor.dtype,
      DType::kFp32);
}

TEST(PrecisionBorderTest, TheConfigsTypesMayBeOthersThanTheWeights) {
  const torch::jit::Module module = Linear(at::kHalf);
  auto signature =
      MakeSignature(module.get_method("forward").function().getSchema(), Declared(DType::kFp32, DType::kFp64));
  ASSERT_TRUE(signature.ok()) << signature.status();
  PrecisionBorder border;
  border.CastInputs(at::kHalf);
  const auto model = MakeTorchModel(module, *std::move(signature), DeviceId::Cpu(), std::nullopt, border);
  EXPECT_EQ(Predict(*model, at::randn({2, 4})).tensor.dtype, DType::kFp64);
  EXPECT_EQ(border.In(at::ones({2}, at::kLong), at::kCPU).scalar_type(), at::kLong);
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
