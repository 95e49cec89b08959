// numpy's .npy files, format versions 1 to 3:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "client/tensor/array.h"

namespace torchferry::client {

// Whether `bytes` start like a .npy file.
bool LooksLikeNpy(std::string_view bytes);

// Parses a whole file. Big-endian and Fortran-ordered arrays are converted. Two-byte void ("V2", as ml_dtypes saves
// bfloat16) is read as BF16. Otherwise INVALID_ARGUMENT says what is wrong with the file. No part of it is executed.
absl::StatusOr<Array> ParseNpy(std::string_view bytes);

// Writes version 1.0, little-endian, in C order. BF16 has no dtype in numpy: cast it to FP32 first, else
// INVALID_ARGUMENT.
absl::StatusOr<std::string> FormatNpy(const Array& array);

}  // namespace torchferry::client
