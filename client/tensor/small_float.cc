#include "client/tensor/small_float.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchferry::client {
namespace {

struct Format {
  int exponent_bits;
  int mantissa_bits;

  constexpr int Bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr int MaxExponent() const { return (1 << exponent_bits) - 1; }  // infinite and NaN
};

constexpr Format kFp16{5, 10};
constexpr Format kBf16{8, 7};

uint16_t Pack(Format format, bool negative, int exponent, int mantissa) {
  const int sign = negative ? 0x8000 : 0;
  return static_cast<uint16_t>(sign | (exponent << format.mantissa_bits) | mantissa);
}

uint16_t Encode(Format format, double value) {
  const bool negative = std::signbit(value);
  const int one = 1 << format.mantissa_bits;  // the mantissa's implicit bit
  if (std::isnan(value)) return Pack(format, negative, format.MaxExponent(), one / 2);
  if (std::isinf(value)) return Pack(format, negative, format.MaxExponent(), 0);
  if (value == 0) return Pack(format, negative, 0, 0);

  int exponent = std::max(std::ilogb(value), 1 - format.Bias());
  // Exact but for the rounding, which is the default mode's: to nearest, ties to even.
  int mantissa = static_cast<int>(std::nearbyint(std::ldexp(std::fabs(value), format.mantissa_bits - exponent)));
  if (mantissa == 2 * one) {
    mantissa = one;
    ++exponent;
  }
  if (mantissa < one) return Pack(format, negative, 0, mantissa);  // subnormal
  const int biased = exponent + format.Bias();
  if (biased >= format.MaxExponent()) return Pack(format, negative, format.MaxExponent(), 0);
  return Pack(format, negative, biased, mantissa - one);
}

double Decode(Format format, uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  const int one = 1 << format.mantissa_bits;
  const int exponent = (bits & 0x7fff) >> format.mantissa_bits;
  const int mantissa = bits & (one - 1);
  if (exponent == format.MaxExponent()) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const int shift = std::max(exponent, 1) - format.Bias() - format.mantissa_bits;
  return sign * std::ldexp(exponent == 0 ? mantissa : mantissa + one, shift);
}

}  // namespace

uint16_t EncodeFp16(double value) { return Encode(kFp16, value); }
uint16_t EncodeBf16(double value) { return Encode(kBf16, value); }
double DecodeFp16(uint16_t bits) { return Decode(kFp16, bits); }
double DecodeBf16(uint16_t bits) { return Decode(kBf16, bits); }

}  // namespace torchferry::client
