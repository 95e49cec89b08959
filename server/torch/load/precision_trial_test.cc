#include "server/torch/load/precision_trial.h"

#include <gmock/gmock.h>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using tensor::DType;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

tensor::Signature Inputs(const std::vector<DType>& types) {
  tensor::Signature signature;
  for (const DType type : types) signature.inputs.push_back({.name = "x", .dtype = type, .shape = std::nullopt});
  return signature;
}

plan::PrecisionPlan Keeps(const std::string& name) {
  plan::PrecisionPlan plan;
  plan.computes_in = name;
  return plan;
}

plan::PrecisionPlan Casts(std::vector<DType> from, DType to, const std::string& name) {
  plan::PrecisionPlan plan = Keeps(name);
  plan.from = std::move(from);
  plan.to = to;
  return plan;
}

TEST(PrecisionTrialTest, InputsLackTheWeightsTypeWhereOneIsDeclaredAsAnother) {
  const plan::PrecisionPlan keeps;
  EXPECT_THAT(TypesThatInputsLack(Inputs({DType::kFp32}), std::vector{DType::kFp32}, keeps), IsEmpty());
  EXPECT_THAT(TypesThatInputsLack(Inputs({DType::kFp32, DType::kFp64}), std::vector{DType::kFp32}, keeps),
              ElementsAre(DType::kFp32));
  EXPECT_THAT(TypesThatInputsLack(Inputs({DType::kInt64}), std::vector{DType::kFp32}, keeps), IsEmpty());
  // Weights that are cast count as what they are cast to; integers do not count.
  EXPECT_THAT(TypesThatInputsLack(Inputs({DType::kFp16}), std::vector{DType::kFp16, DType::kInt64},
                                  Casts({DType::kFp16}, DType::kFp32, "FP32")),
              ElementsAre(DType::kFp32));
}

class TryPrecisionTest : public ::testing::Test {
 protected:
  // y = f(x) with a weight of ones in `saved`; x is declared as `declared`, of one row of four.
  void Make(const std::string& expression, DType saved, DType declared, bool is_declared = true) {
    torch::jit::Module module("m");
    module.register_parameter("w", at::ones({4}, saved == DType::kFp64 ? at::kDouble : at::kFloat), false);
    module.define("def forward(self, x: Tensor) -> Tensor:\n  return " + expression + "\n");
    module.eval();
    weight_types_ = {saved};
    config::ModelConfig config;
    if (is_declared) {
      config.inputs.resize(1);
      config.inputs[0].name = "x";
      config.inputs[0].dtype = declared;
      config.inputs[0].dims = {4, 4};
    }
    auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config);
    ASSERT_TRUE(signature.ok()) << signature.status();
    master_.emplace(MasterModule{.module = module, .state = std::nullopt, .signature = *std::move(signature)});
  }

  absl::StatusOr<std::shared_ptr<model::Model>> Try(const plan::PrecisionPlan& precision) {
    info_ = {};
    info_.precision = precision.computes_in;
    PlacedCopy copy = PlaceCopy(*master_, device_, precision);
    return TryPrecision({.master = *master_,
                         .precision = precision,
                         .weight_types = weight_types_,
                         .device = device_,
                         .file_name = file_name_},
                        copy, info_);
  }

  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
  const std::string file_name_ = "m/1/model.pt";
  std::vector<DType> weight_types_;
  std::optional<MasterModule> master_;
  model::ModelInfo info_;
};

const plan::PrecisionPlan kFull = Keeps("FP32");
const plan::PrecisionPlan kBf16 = Casts({DType::kFp32}, DType::kBf16, "BF16");

TEST_F(TryPrecisionTest, InFullPrecisionNothingIsMeasured) {
  Make("x * self.w", DType::kFp32, DType::kFp32);
  ASSERT_TRUE(Try(kFull).ok());
  EXPECT_FALSE(info_.precision_deviation.has_value());
  EXPECT_THAT(info_.decisions, IsEmpty());
}

TEST_F(TryPrecisionTest, LowerPrecisionIsComparedWithFull) {
  Make("x * self.w", DType::kFp32, DType::kFp32);
  ASSERT_TRUE(Try(kBf16).ok());
  ASSERT_TRUE(info_.precision_deviation.has_value());
  EXPECT_GT(*info_.precision_deviation, 0);
  EXPECT_LT(*info_.precision_deviation, 0.01);  // BF16 has 8 significant bits
  EXPECT_THAT(info_.decisions, ElementsAre(HasSubstr("deviation from FP32: ")));
}

TEST_F(TryPrecisionTest, WithoutDeclaredInputsNothingIsMeasured) {
  Make("x * self.w", DType::kFp32, DType::kFp32, /*is_declared=*/false);
  ASSERT_TRUE(Try(kBf16).ok());
  EXPECT_THAT(info_.decisions,
              ElementsAre("deviation from FP32 not measured: config.pbtxt does not declare each input"));
}

TEST_F(TryPrecisionTest, WhatRunsInFullPrecisionOnlyIsAnErrorThatSaysSo) {
  Make("torch.linalg_det(x * self.w).unsqueeze(0)", DType::kFp32, DType::kFp32);
  const absl::Status status = Try(kBf16).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("m/1/model.pt: forward fails in BF16, input \"x\" being FP32: "),
                                             HasSubstr("It runs in FP32: set torchferry { precision: FP32 }")));
}

TEST_F(TryPrecisionTest, WhatDoesNotRunOnAGeneratedRowIsNoError) {
  Make("x.view([3, 5])", DType::kFp32, DType::kFp32);
  ASSERT_TRUE(Try(kBf16).ok());
  EXPECT_THAT(info_.decisions,
              ElementsAre(HasSubstr("not tried in BF16: the model does not run on a row that is tried: ")));
}

TEST_F(TryPrecisionTest, InputsAreCastToTheWeightsTypeWhereOnlyThatRuns) {
  Make("torch.mv(x, self.w)", DType::kFp64, DType::kFp32);
  ASSERT_TRUE(Try(Keeps("FP64")).ok());
  EXPECT_THAT(info_.decisions,
              ElementsAre("inputs are cast to FP64, the weights' type; config.pbtxt declares another"));
  Make("x + self.w", DType::kFp64, DType::kFp32);  // promotes
  ASSERT_TRUE(Try(Keeps("FP64")).ok());
  EXPECT_THAT(info_.decisions, IsEmpty());
}

}  // namespace
}  // namespace torchferry::libtorch
