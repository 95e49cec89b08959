// How far an answer is from the one that was written down.
#pragma once

#include <absl/status/statusor.h>

#include "server/tensor/host_tensor.h"
#include "server/tensor/shape.h"

namespace torchferry::libtorch {

struct GoldenDifference {
  bool is_within = true;  // each element is within what is allowed
  // Of the element that is the furthest, as a share of what is allowed. Infinite: a NaN on one side alone.
  double difference = 0;  // |got - want|
  double allowed = 0;     // atol + rtol * |want|; 0 of whole numbers
  double got = 0;
  double want = 0;
  tensor::Shape index;  // where it is; empty in a tensor without elements
};

// Floating tensors may be of different types, and NaN equals NaN; others are to be equal to the bit. INVALID_ARGUMENT
// when the shapes differ, or one is of whole numbers and the other is of another type.
absl::StatusOr<GoldenDifference> FurthestFromGolden(const tensor::HostTensor& got, const tensor::HostTensor& want,
                                                    double rtol, double atol);

}  // namespace torchferry::libtorch
