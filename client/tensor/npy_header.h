// The header of a .npy file: a Python dict literal with three known keys. Only the form that numpy writes is accepted.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/tensor/shape.h"

namespace torchferry::client {

struct NpyHeader {
  std::string descr;  // "<f4"
  bool is_fortran_order = false;
  tensor::Shape shape;  // at most 32 dimensions, none negative
};

// INVALID_ARGUMENT says what was expected, and where.
absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text);

}  // namespace torchferry::client
