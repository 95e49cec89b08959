#include "server/torch/run/precision_border.h"

#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/torch/device/convert.h"
#include "server/torch/graph/place_module.h"
#include "server/torch/run/torch_model.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

torch::jit::Module Linear(at::ScalarType type) {
  torch::jit::Module module("m");
  module.register_parameter("w", at::linspace(-1, 1, 12).view({3, 4}).to(type), false);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.w)\n");
  module.eval();
  return module;
}

// As the loader makes it, on the CPU.
std::shared_ptr<model::Model> Make(const torch::jit::Module& module, const plan::PrecisionPlan& plan,
                                   const config::ModelConfig& config) {
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config);
  EXPECT_TRUE(signature.ok()) << signature.status();
  RewriteTarget target{at::kCPU, true, {}, ToTorch(plan.to).value()};
  for (const tensor::DType type : plan.from) target.from.push_back(ToTorch(type).value());
  const PrecisionBorder border(plan, module, std::nullopt, *signature);
  PlacedModule placed = PlaceModule(module, target);
  return MakeTorchModel(std::move(placed.module), *std::move(signature), tensor::DeviceId::Cpu(), std::nullopt, border,
                        std::move(placed.code));
}

model::NamedTensor Predict(model::Model& model, const at::Tensor& x) {
  const tensor::BoundInputs inputs{{{FromTorch(x, tensor::Shape(x.sizes().begin(), x.sizes().end()))}}, x.size(0)};
  const tensor::BoundInputs* const requests[] = {&inputs};
  model::PhaseTimes ignored;
  auto outputs = model.Predict(requests, ignored);
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? (*outputs)[0][0] : model::NamedTensor{};
}

plan::PrecisionPlan Cast(tensor::DType from, tensor::DType to) {
  plan::PrecisionPlan plan;
  plan.from = {from};
  plan.to = to;
  return plan;
}

config::ModelConfig Declared(tensor::DType input, tensor::DType output) {
  config::ModelConfig config;
  config.inputs.resize(1);
  config.inputs[0].name = "x";
  config.inputs[0].dtype = input;
  config.inputs[0].dims = {tensor::kAnyDim, 4};
  config.outputs.resize(1);
  config.outputs[0].name = "y";
  config.outputs[0].dtype = output;
  config.outputs[0].dims = {tensor::kAnyDim, 3};
  return config;
}

TEST(PrecisionBorderTest, ClientsSeeTheTypesOfTheFile) {
  const auto model = Make(Linear(at::kHalf), Cast(tensor::DType::kFp16, tensor::DType::kFp32), {});
  const at::Tensor x = at::randn({2, 4});
  EXPECT_EQ(Predict(*model, x.to(at::kHalf)).tensor.dtype, tensor::DType::kFp16);
}

// Where the types do not follow from the code alone, PyTorch's own rules are asked.
TEST(PrecisionBorderTest, OutputsAreOfTheTypesThatTheModelWouldGive) {
  struct OutputCase {
    std::string body;
    std::string result;
    std::vector<tensor::DType> types;
  };
  const std::vector<OutputCase> cases = {
      {"return x * self.scale", "Tensor", {tensor::DType::kFp16}},  // a number of FP32 does not promote
      {"return x * self.w, torch.softmax(x * self.w, -1, dtype=6)",
       "Tuple[Tensor, Tensor]",
       {tensor::DType::kFp16, tensor::DType::kFp32}},
      {"return (x * self.w).view(self.like.shape), x.expand_as(self.like)",
       "Tuple[Tensor, Tensor]",
       {tensor::DType::kFp16, tensor::DType::kFp16}},
      {"y = torch.zeros([4])\n  for i in range(3):\n    y = y + x\n  return y, torch.argmax(y)",
       "Tuple[Tensor, Tensor]",
       {tensor::DType::kFp32, tensor::DType::kInt64}},
  };
  for (const OutputCase& c : cases) {
    SCOPED_TRACE(c.body);
    torch::jit::Module module("m");
    module.register_parameter("w", at::ones({4}, at::kHalf), false);
    module.register_parameter("scale", at::scalar_tensor(2.0), false);
    module.register_buffer("like", at::zeros({1, 4}));
    module.define("def forward(self, x: Tensor) -> " + c.result + ":\n  " + c.body + "\n");
    module.eval();
    const auto model = Make(module, Cast(tensor::DType::kFp16, tensor::DType::kFp32), {});
    const at::Tensor x = at::ones({1, 4}, at::kHalf);
    const tensor::BoundInputs inputs{{{FromTorch(x, {1, 4})}}, 1};
    const tensor::BoundInputs* const requests[] = {&inputs};
    for (int run = 0; run < 2; ++run) {
      model::PhaseTimes ignored;
      const auto outputs = model->Predict(requests, ignored);
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      std::vector<tensor::DType> types;
      for (const model::NamedTensor& output : (*outputs)[0]) types.push_back(output.tensor.dtype);
      EXPECT_EQ(types, c.types);
    }
  }
}

TEST(PrecisionBorderTest, OrThoseOfTheConfig) {
  const at::Tensor x = at::randn({2, 4});
  // Which the weights as they are would not take.
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(tensor::DType::kFp16, tensor::DType::kFp32),
                          Declared(tensor::DType::kFp32, tensor::DType::kFp32)),
                    x)
                .tensor.dtype,
            tensor::DType::kFp32);
  EXPECT_EQ(Predict(*Make(Linear(at::kHalf), Cast(tensor::DType::kFp16, tensor::DType::kFp32),
                          Declared(tensor::DType::kFp32, tensor::DType::kFp16)),
                    x)
                .tensor.dtype,
            tensor::DType::kFp16);
  EXPECT_EQ(Predict(*Make(Linear(at::kFloat), Cast(tensor::DType::kFp32, tensor::DType::kBf16),
                          Declared(tensor::DType::kFp32, tensor::DType::kFp32)),
                    x)
                .tensor.dtype,
            tensor::DType::kFp32);
}

TEST(PrecisionBorderTest, TheConfigsTypesMayBeOthersThanTheWeights) {
  const torch::jit::Module module = Linear(at::kHalf);
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(),
                                 Declared(tensor::DType::kFp32, tensor::DType::kFp64));
  ASSERT_TRUE(signature.ok()) << signature.status();
  PrecisionBorder border;
  border.CastInputs(at::kHalf);
  const auto model = MakeTorchModel(module, *std::move(signature), tensor::DeviceId::Cpu(), std::nullopt, border);
  EXPECT_EQ(Predict(*model, at::randn({2, 4})).tensor.dtype, tensor::DType::kFp64);
  EXPECT_EQ(border.In(at::ones({2}, at::kLong), at::kCPU).scalar_type(), at::kLong);
}

TEST(PrecisionBorderTest, AutocastComputesInBf16AndAnswersInFp32) {
  plan::PrecisionPlan plan;
  plan.autocast_bf16 = true;
  const torch::jit::Module module = Linear(at::kFloat);
  const at::Tensor x = at::randn({8, 4});
  const model::NamedTensor with = Predict(*Make(module, plan, {}), x);
  const model::NamedTensor without = Predict(*Make(module, {}, {}), x);
  ASSERT_EQ(with.tensor.dtype, tensor::DType::kFp32);
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
  config::ModelConfig config = Declared(tensor::DType::kFp32, tensor::DType::kFp32);
  config.max_batch_size = 8;
  config.inputs[0].dims = {5, 4};
  const auto inputs = MadeUpInputs(MakeSignature(schema, config)->signature);
  ASSERT_TRUE(inputs.has_value());
  EXPECT_EQ(inputs->values[0][0].shape, (tensor::Shape{1, 5, 4}));
  EXPECT_EQ(inputs->values[0][0].bytes.size(), 80U);
  // Two GiB a row.
  config.inputs[0].dims = {int64_t{1} << 27, 4};
  EXPECT_FALSE(MadeUpInputs(MakeSignature(schema, config)->signature).has_value());
}

TEST(TrialRunTest, ABatchThatIsMadeUpHasNoMoreRowsThanFitOneGib) {
  const std::vector<std::byte> mib(size_t{1} << 20);
  tensor::BoundInputs row;
  row.values.emplace_back().emplace_back().bytes = mib;
  EXPECT_EQ(RowsWithinLimit(row), 1023);
  row.values.emplace_back(row.values[0]);
  EXPECT_EQ(RowsWithinLimit(row), 511);
}

}  // namespace
}  // namespace torchferry::libtorch
