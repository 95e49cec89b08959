// Pads inputs of different lengths to one length, so that their requests can share a batch.
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

// The bytes of one element with this value in a tensor of `dtype`. Nothing where the dtype cannot hold the value. FP16
// and BF16 support only 0 and 1.
std::optional<std::vector<std::byte>> ElementOf(DType dtype, double value);

// How a model's inputs are padded. The length of a request is the size of its inputs in their padded dimension.
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

// The length of a request, before and after padding.
struct PaddedLength {
  int64_t own = 0;
  int64_t padded = 0;  // equal to `own`: nothing was padded
};

// Pads `inputs` to the first of `plan.sizes` that is not below their length; longer inputs stay as they are. Adds the
// mask where the request has none. Inputs that do not fit the plan stay as they are: BindInputs refuses them.
// INVALID_ARGUMENT: two inputs have different lengths. RESOURCE_EXHAUSTED: the new inputs would have more than
// `max_bytes`. `reserve` (null: none) is told their number of bytes, and its error is returned.
absl::StatusOr<PaddedLength> PadInputs(const PadPlan& plan, int64_t max_bytes,
                                       const std::function<absl::Status(int64_t bytes)>& reserve,
                                       std::map<std::string, HostTensor>& inputs);

// A copy of `tensor` that has the first `length` of `dimension`, where `tensor` has more.
HostTensor CutTo(const HostTensor& tensor, size_t dimension, int64_t length);

}  // namespace torchferry::tensor
