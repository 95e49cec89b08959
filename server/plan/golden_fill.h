// Inputs of golden rows that are too large for a passport. The passport has a seed, and its reader generates the
// elements.
#pragma once

#include <cstdint>

#include "server/tensor/dtype.h"
#include "server/tensor/host_tensor.h"
#include "server/tensor/shape.h"

namespace torchferry::plan {

struct GoldenFill {
  tensor::DType dtype = tensor::DType::kInvalid;  // FP32 or FP64
  tensor::Shape shape;                            // with the rows, if there are any
  uint64_t seed = 0;
};

// Whether elements of this type can be generated.
bool IsFillable(tensor::DType dtype);

// Element i, row-major from 0, is (m - 2^23) / 2^23. Here m is the upper 24 bits of number i of the generator
// splitmix64 with the state `seed`. Elements are uniform in [-1, 1) and exact in FP32, so they are the same on every
// machine. The type of `fill` is fillable, and its shape has no negative size. Pure.
tensor::HostTensor Generate(const GoldenFill& fill);

}  // namespace torchferry::plan
