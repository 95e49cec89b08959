#include "server/torch/load/golden_difference.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "server/base/status.h"
#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

tensor::HostTensor Floats(const std::vector<double>& values, at::ScalarType type = at::kFloat) {
  const at::Tensor tensor = at::tensor(values, at::kDouble).to(type);
  return FromTorch(tensor, {static_cast<int64_t>(values.size())});
}

GoldenDifference Differ(const std::vector<double>& got, const std::vector<double>& want, double rtol, double atol) {
  return FurthestFromGolden(Floats(got), Floats(want), rtol, atol).value();
}

TEST(GoldenDifferenceTest, EachElementHasWhatItsOwnMagnitudeAllows) {
  EXPECT_TRUE(Differ({101, 0.5}, {100, 0.5}, 0.01, 0).is_within);
  EXPECT_FALSE(Differ({100, 0.6}, {100, 0.5}, 0.01, 0).is_within);
  EXPECT_TRUE(Differ({100, 0.6}, {100, 0.5}, 0, 0.11).is_within);
  EXPECT_TRUE(Differ({-101, 0}, {-100, 0}, 0.01, 0).is_within);
  EXPECT_TRUE(Differ({1, 2}, {1, 2}, 0, 0).is_within);
}

TEST(GoldenDifferenceTest, TheFurthestIsTheOneThatTakesTheLargestShareOfWhatIsAllowed) {
  // 1 of 10 allowed, 0.5 of 1 allowed.
  const GoldenDifference found = Differ({101, 10.5, 3}, {100, 10, 3}, 0.1, 0);
  EXPECT_TRUE(found.is_within);
  EXPECT_NEAR(found.difference, 0.5, 1e-6);
  EXPECT_NEAR(found.allowed, 1, 1e-6);
  EXPECT_NEAR(found.got, 10.5, 1e-6);
  EXPECT_NEAR(found.want, 10, 1e-6);
  EXPECT_THAT(found.index, ElementsAre(1));
}

TEST(GoldenDifferenceTest, TheIndexCountsEachDimension) {
  const at::Tensor want = at::zeros({2, 3, 4});
  at::Tensor got = want.clone();
  got[1][2][3] = 1;
  const auto found = FurthestFromGolden(FromTorch(got, {2, 3, 4}), FromTorch(want, {2, 3, 4}), 0, 0.5);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->is_within);
  EXPECT_THAT(found->index, ElementsAre(1, 2, 3));
}

TEST(GoldenDifferenceTest, WhatIsNotFiniteIsEqualOrInfinitelyFar) {
  EXPECT_TRUE(Differ({kNan, kInfinity, -kInfinity}, {kNan, kInfinity, -kInfinity}, 0, 0).is_within);
  const std::vector<std::pair<double, double>> apart = {
      {kNan, 1}, {1, kNan}, {kInfinity, 1}, {1, kInfinity}, {kInfinity, -kInfinity}};
  for (const auto& [got, want] : apart) {
    const GoldenDifference found = Differ({got}, {want}, 0.1, 0.1);
    EXPECT_FALSE(found.is_within) << got << " and " << want;
    EXPECT_TRUE(std::isinf(found.difference)) << got << " and " << want;
  }
}

TEST(GoldenDifferenceTest, FewerBitsAreComparedWithFp32) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    const auto found = FurthestFromGolden(Floats({1.5, -2}, type), Floats({1.5, -2}), 0, 0);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_TRUE(found->is_within);
  }
}

TEST(GoldenDifferenceTest, WholeNumbersAreEqualOrNotWhateverIsAllowed) {
  const int64_t large = int64_t{1} << 60;  // beyond what a double tells apart
  const auto ints = [](int64_t value) { return FromTorch(at::full({1}, value, at::kLong), {1}); };
  EXPECT_TRUE(FurthestFromGolden(ints(large), ints(large), 0, 0)->is_within);
  EXPECT_FALSE(FurthestFromGolden(ints(large + 1), ints(large), 9, 9)->is_within);
  EXPECT_FALSE(FurthestFromGolden(ints(2), ints(1), 9, 9)->is_within);
  const auto flag = [](bool value) { return FromTorch(at::full({1}, value, at::kBool), {1}); };
  EXPECT_FALSE(FurthestFromGolden(flag(true), flag(false), 9, 9)->is_within);
}

TEST(GoldenDifferenceTest, AnotherShapeOrTypeIsNamed) {
  EXPECT_THAT(base::MessageOf(FurthestFromGolden(Floats({1, 2}), Floats({1}), 9, 9).status()),
              HasSubstr("its shape is [2] and was [1]"));
  const tensor::HostTensor number = FromTorch(at::full({1}, 1, at::kLong), {1});
  EXPECT_THAT(base::MessageOf(FurthestFromGolden(number, Floats({1}), 9, 9).status()),
              HasSubstr("it is INT64 and was FP32"));
}

TEST(GoldenDifferenceTest, WhatHasNoElementsAgrees) {
  const GoldenDifference found = Differ({}, {}, 0, 0);
  EXPECT_TRUE(found.is_within);
  EXPECT_THAT(found.index, IsEmpty());
}

}  // namespace
}  // namespace torchferry::libtorch
