// FP16 (IEEE 754 binary16) and BF16 (the upper half of binary32), as bits.
#pragma once

#include <cstdint>

namespace torchferry::client {

// Rounds to nearest, ties to even. A too large value becomes infinite; NaN stays NaN.
uint16_t EncodeFp16(double value);
uint16_t EncodeBf16(double value);

// The result is exact.
double DecodeFp16(uint16_t bits);
double DecodeBf16(uint16_t bits);

}  // namespace torchferry::client
