#include "client/tensor/small_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace torchferry::client {
namespace {

TEST(SmallFloatTest, EveryFp16ValueSurvivesTheRoundTrip) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const double value = DecodeFp16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(DecodeFp16(EncodeFp16(value))));
    } else {
      ASSERT_EQ(EncodeFp16(value), bits) << value;
    }
  }
}

TEST(SmallFloatTest, EveryBf16ValueSurvivesTheRoundTrip) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const double value = DecodeBf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(DecodeBf16(EncodeBf16(value))));
    } else {
      ASSERT_EQ(EncodeBf16(value), bits) << value;
    }
  }
}

TEST(SmallFloatTest, KnownValues) {
  EXPECT_EQ(EncodeFp16(1.0), 0x3c00);
  EXPECT_EQ(EncodeFp16(-2.0), 0xc000);
  EXPECT_EQ(EncodeFp16(65504), 0x7bff);
  EXPECT_EQ(EncodeFp16(5.960464477539063e-8), 0x0001);
  EXPECT_EQ(EncodeBf16(1.0), 0x3f80);
  EXPECT_EQ(EncodeBf16(-2.0), 0xc000);
  EXPECT_EQ(EncodeBf16(3.389531389251535e38), 0x7f7f);
}

TEST(SmallFloatTest, TiesGoToTheEvenMantissa) {
  EXPECT_EQ(EncodeFp16(1 + std::ldexp(1.0, -11)), 0x3c00);
  EXPECT_EQ(EncodeFp16(1 + 3 * std::ldexp(1.0, -11)), 0x3c02);
  EXPECT_EQ(EncodeBf16(1 + std::ldexp(1.0, -8)), 0x3f80);
  EXPECT_EQ(EncodeBf16(1 + 3 * std::ldexp(1.0, -8)), 0x3f82);
  // Rounding through FP32 first would make this one a tie.
  EXPECT_EQ(EncodeFp16(1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40)), 0x3c01);
}

TEST(SmallFloatTest, WhatIsTooLargeIsInfinite) {
  EXPECT_EQ(EncodeFp16(65520), 0x7c00);
  EXPECT_EQ(EncodeFp16(65519.99), 0x7bff);
  EXPECT_EQ(EncodeFp16(-1e300), 0xfc00);
  EXPECT_EQ(EncodeBf16(std::numeric_limits<double>::infinity()), 0x7f80);
}

}  // namespace
}  // namespace torchferry::client
