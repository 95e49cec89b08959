// numpy's .npy files, format versions 1 to 3:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "client/tensor/array.h"

namespace torchferry::client {

// Whether `bytes` start as a .npy file does.
bool LooksLikeNpy(std::string_view bytes);

// A whole file. Big-endian and Fortran-ordered arrays are converted; two-byte void ("V2", as
// ml_dtypes saves bfloat16) is read as BF16. INVALID_ARGUMENT saying what is wrong with the file
// otherwise; nothing in it is executed.
absl::StatusOr<Array> ParseNpy(std::string_view bytes);

// Version 1.0, little-endian, C order. BF16 has no dtype in numpy: cast it to FP32 first, else
// INVALID_ARGUMENT.
absl::StatusOr<std::string> FormatNpy(const Array& array);

}  // namespace torchferry::client
