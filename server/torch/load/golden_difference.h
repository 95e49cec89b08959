// How far an answer is from the golden one.
#pragma once

#include <absl/status/statusor.h>

#include "server/tensor/host_tensor.h"
#include "server/tensor/shape.h"

namespace torchferry::libtorch {

struct GoldenDifference {
  bool is_within = true;  // each element is within what is allowed
  // For the element with the largest share of what is allowed. Infinite where only one side is NaN.
  double difference = 0;  // |got - want|
  double allowed = 0;     // atol + rtol * |want|; 0 for whole numbers
  double got = 0;
  double want = 0;
  tensor::Shape index;  // of that element; empty in a tensor without elements
};

// Floating tensors may be of different types, and NaN equals NaN. Other tensors must be equal to the bit.
// INVALID_ARGUMENT when the shapes differ, or when the types differ and one is not floating.
absl::StatusOr<GoldenDifference> FurthestFromGolden(const tensor::HostTensor& got, const tensor::HostTensor& want,
                                                    double rtol, double atol);

}  // namespace torchferry::libtorch
