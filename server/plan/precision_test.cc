#include "server/plan/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr tensor::DType k16 = tensor::DType::kFp16;
constexpr tensor::DType kB16 = tensor::DType::kBf16;
constexpr tensor::DType k32 = tensor::DType::kFp32;
constexpr tensor::DType k64 = tensor::DType::kFp64;
constexpr tensor::DType kInt = tensor::DType::kInt64;
const tensor::DeviceId kCpu = tensor::DeviceId::Cpu();
const tensor::DeviceId kGpu{"cuda", 0};

struct Case {
  config::Precision wanted;
  std::vector<tensor::DType> saved;
  tensor::DeviceId device;
  bool native_bf16;
  std::string computes_in;
  std::vector<tensor::DType> from;
  tensor::DType to;
  bool autocast;
};

TEST(PrecisionTest, Table) {
  using enum config::Precision;
  const std::vector<Case> cases = {
      {kAuto, {k32, kInt}, kCpu, false, "FP32", {}, k32, false},
      {kAuto, {k32, k64}, kCpu, true, "FP32, FP64", {}, k32, false},
      {kAuto, {k16, kInt}, kCpu, true, "FP32", {k16}, k32, false},
      {kAuto, {k16, k32}, kCpu, false, "FP32", {k16}, k32, false},
      {kAuto, {kB16}, kCpu, true, "BF16", {}, k32, false},
      {kAuto, {kB16}, kCpu, false, "FP32", {kB16}, k32, false},
      {kAuto, {k16, kB16}, kCpu, true, "FP32, BF16", {k16}, k32, false},
      {kAuto, {k16}, kGpu, false, "FP16", {}, k32, false},
      {kAuto, {kB16}, kGpu, false, "BF16", {}, k32, false},
      {kKeep, {k16}, kCpu, false, "FP16", {}, k32, false},
      {kFp32, {k16, kB16, k64}, kGpu, false, "FP32, FP64", {k16, kB16}, k32, false},
      {kFp32, {k32}, kCpu, false, "FP32", {}, k32, false},
      {kFp16, {k32, kInt}, kGpu, false, "FP16", {k32}, k16, false},
      {kFp16, {k32}, kCpu, true, "FP32", {}, k32, false},
      {kFp16, {k16}, kCpu, true, "FP32", {k16}, k32, false},
      {kBf16, {k32}, kGpu, false, "BF16", {k32}, kB16, false},
      {kBf16, {k32}, kCpu, true, "BF16", {}, k32, true},
      {kBf16, {k16}, kCpu, true, "BF16", {k16}, k32, true},
      {kBf16, {kB16}, kCpu, true, "BF16", {}, k32, false},
      {kBf16, {kB16}, kCpu, false, "FP32", {kB16}, k32, false},
      {kAuto, {kInt}, kCpu, false, "", {}, k32, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const PrecisionPlan plan = PlanPrecision(c.wanted, c.saved, c.device, c.native_bf16);
    EXPECT_EQ(plan.computes_in, c.computes_in) << i;
    EXPECT_EQ(plan.from, c.from) << i;
    if (!c.from.empty()) {
      EXPECT_EQ(plan.to, c.to) << i;
    }
    EXPECT_EQ(plan.autocast_bf16, c.autocast) << i;
  }
}

TEST(PrecisionTest, SaysWhyWhereTheFilesOwnTypesAreNotJustUsed) {
  EXPECT_THAT(PlanPrecision(config::Precision::kAuto, std::vector{k32}, kCpu, false).decision, IsEmpty());
  EXPECT_THAT(PlanPrecision(config::Precision::kAuto, std::vector{k16}, kCpu, false).decision,
              HasSubstr("precision FP32: the weights are FP16"));
  EXPECT_THAT(PlanPrecision(config::Precision::kFp16, std::vector{k32}, kCpu, false).decision,
              HasSubstr("precision FP32: precision is FP16, which a CPU"));
}

}  // namespace
}  // namespace torchferry::plan
