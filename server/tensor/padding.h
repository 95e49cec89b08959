// Inputs of several lengths, made one length so that their requests can share a batch.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/tensor/host_tensor.h"

namespace torchferry::tensor {

// One element's bytes, as a tensor of `dtype` has them. Nothing where the dtype has no such number, or is FP16 or BF16
// and the number is neither 0 nor 1.
std::optional<std::vector<std::byte>> ElementOf(DType dtype, double value);

// How a model's inputs are filled up. The length of a request is the size of its inputs in their padded dimension.
struct PadPlan {
  struct Input {
    std::string name;
    DType dtype = DType::kInvalid;
    size_t dimension = 0;         // that has the length; dimension 0 is the rows
    std::vector<std::byte> fill;  // one element
  };
  struct Output {
    std::string name;
    size_t dimension = 0;
  };
  std::vector<int64_t> sizes;  // ascending
  std::vector<Input> inputs;   // without the mask
  Input mask;                  // its `fill` is the zero
  Shape mask_shape;            // with the rows; the size of its padded dimension is any
  std::vector<std::byte> one;  // an element of the mask
  std::vector<Output> outputs;
};

// Where a request's own length ends.
struct PaddedLength {
  int64_t own = 0;
  int64_t padded = 0;  // own: nothing was filled up
};

// Fills `inputs` up to the first of `plan.sizes` that is not below their length; a longer one stays as it is. The mask
// is made where the request has none. What is not as the plan says is left for BindInputs to refuse.
// INVALID_ARGUMENT: two inputs have different lengths. RESOURCE_EXHAUSTED: they would have more than `max_bytes`, or
// `reserve` (null: none), which is told how many, says so.
absl::StatusOr<PaddedLength> PadInputs(const PadPlan& plan, int64_t max_bytes,
                                       const std::function<absl::Status(int64_t bytes)>& reserve,
                                       std::map<std::string, HostTensor>& inputs);

// The first `length` of `dimension` of `tensor`, which has more.
HostTensor CutTo(const HostTensor& tensor, size_t dimension, int64_t length);

}  // namespace torchferry::tensor
