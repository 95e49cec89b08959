#include "server/plan/golden_fill.h"

#include <gmock/gmock.h>

#include <cstring>
#include <vector>

namespace torchferry::plan {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<T> Elements(const GoldenFill& fill) {
  const tensor::HostTensor tensor = Generate(fill);
  EXPECT_EQ(tensor.dtype, fill.dtype);
  EXPECT_EQ(tensor.shape, fill.shape);
  std::vector<T> elements(tensor.bytes.size() / sizeof(T));
  if (!elements.empty()) std::memcpy(elements.data(), tensor.bytes.data(), tensor.bytes.size());
  return elements;
}

std::vector<float> Floats(uint64_t seed, int64_t count) {
  return Elements<float>({tensor::DType::kFp32, {count}, seed});
}

// Those of a generator that was written in Python, whose numbers for 1234567 are the published ones of splitmix64:
// 6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431.
TEST(GoldenFillTest, ElementsAreThoseOfSplitmix64) {
  constexpr float kUnit = 1.0F / (1 << 23);
  EXPECT_THAT(Floats(1234567, 4), ElementsAre(-2515248 * kUnit, -5475344 * kUnit, 540348 * kUnit, -4210953 * kUnit));
  EXPECT_THAT(Floats(0, 4), ElementsAre(6430888 * kUnit, -1148770 * kUnit, -7945123 * kUnit, 7900088 * kUnit));
  EXPECT_THAT(Floats(7, 4), ElementsAre(-1848351 * kUnit, -8106948 * kUnit, 6723648 * kUnit, 1391339 * kUnit));
  // The state begins again at 0.
  EXPECT_THAT(Floats(INT64_MAX, 4), ElementsAre(-5609513 * kUnit, 7474177 * kUnit, 7083411 * kUnit, -6283215 * kUnit));
}

TEST(GoldenFillTest, ElementsAreTheSameInFp64AndInEachShape) {
  const std::vector<float> flat = Floats(7, 24);
  EXPECT_EQ(Elements<float>({tensor::DType::kFp32, {1, 2, 3, 4}, 7}), flat);
  EXPECT_EQ(Elements<double>({tensor::DType::kFp64, {4, 6}, 7}), std::vector<double>(flat.begin(), flat.end()));
  EXPECT_THAT(Elements<float>({tensor::DType::kFp32, {}, 7}), ElementsAre(flat[0]));
  EXPECT_THAT(Elements<float>({tensor::DType::kFp32, {3, 0}, 7}), ElementsAre());
}

TEST(GoldenFillTest, ElementsAreSpreadEvenly) {
  constexpr int64_t kCount = 1 << 16;
  const std::vector<float> elements = Floats(42, kCount);
  std::vector<int> found(16);
  for (const float element : elements) {
    ASSERT_GE(element, -1);
    ASSERT_LT(element, 1);
    ++found[static_cast<size_t>((element + 1) * 8)];
  }
  // Six standard deviations of a sixteenth.
  for (const int count : found) EXPECT_NEAR(count, kCount / 16, 6 * 62);
}

}  // namespace
}  // namespace torchferry::plan
