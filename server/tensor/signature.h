// A model's inputs and outputs, and the check of a request's tensors against them. Both APIs and the model itself use
// these types.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/tensor/dtype.h"
#include "server/tensor/host_tensor.h"
#include "server/tensor/shape.h"
#include "server/tensor/size_limit.h"

namespace torchferry::tensor {

// The type of a `forward` argument, or of a part of a tuple, dict or list argument. A scalar is sent as a tensor of one
// element, of shape [] or [1]. Its dtype is INT64 for kInt, FP32 for kFloat, BOOL for kBool and BYTES for kString. A
// kStringList is a BYTES tensor, whose elements are the list's in row-major order.
enum class ArgumentKind {
  kTensor,
  kOptionalTensor,
  kTensorList,
  kInt,
  kFloat,
  kBool,
  kString,
  kStringList,
  kTensorDict,  // its keys are known only from a request
};

// "tensor", "optional tensor", "tensor list", "int", "float", "bool", "string", "string list", "tensor dict".
std::string_view Name(ArgumentKind kind);

// A scalar is one value for all rows. The other kinds have rows where the model has a batch dimension.
constexpr bool IsScalar(ArgumentKind kind) {
  return kind == ArgumentKind::kInt || kind == ArgumentKind::kFloat || kind == ArgumentKind::kBool ||
         kind == ArgumentKind::kString;
}

// Whether the argument becomes one tensor or several.
constexpr bool IsOfTensors(ArgumentKind kind) { return !IsScalar(kind) && kind != ArgumentKind::kStringList; }

struct TensorSpec {
  std::string name;
  ArgumentKind kind = ArgumentKind::kTensor;
  DType dtype = DType::kInvalid;  // kInvalid: not declared, any
  // Full shape as clients send it, the batch dimension included; absent: not declared, any. kAnyDim: any size.
  std::optional<Shape> shape;
  bool is_optional = false;  // may be left out
  size_t row_dimension = 0;  // where the rows are, if the model has a batch dimension
  // Not 0: the input is part of an optional tuple, dict or list. A request sends all inputs of a group or none. The
  // inputs of one group have the same number.
  int group = 0;
  std::vector<SizeLimit> size_limits = {};  // of free sizes; empty: any size
};

struct Signature {
  std::vector<TensorSpec> inputs;   // in the order of forward's arguments
  std::vector<TensorSpec> outputs;  // empty when not known before the first forward pass
  // Max rows of one forward pass. 0: no batch dimension. Otherwise dimension 0 of every tensor is the rows, except for
  // inputs with another row_dimension.
  int64_t max_batch_size = 0;
  // Whether a request may have more rows than max_batch_size: it then runs in parts.
  bool splits_oversized = false;

  bool HasBatchDimension() const { return max_batch_size > 0; }
};

// A request's inputs in the order of Signature::inputs.
struct BoundInputs {
  // One entry for each input. A tensor list has one or more tensors; an optional input that was left out has none.
  std::vector<std::vector<HostTensor>> values;
  int64_t rows = 1;  // 1 when the model has no batch dimension
  // The keys of each tensor dict, in the order of its tensors, by the dict's index among the inputs.
  std::map<size_t, std::vector<std::string>> keys = {};
};

// Matches inputs by name and checks dtype, rank, dimensions, byte count and rows. A tensor list "xs" is sent as "xs"
// (one tensor) or as "xs__0", "xs__1", …; torch.export's "xs_0" is the same where no input has that name. A tensor dict
// "d" is sent as "d_KEY". INVALID_ARGUMENT names the input, the value and what was expected.
absl::StatusOr<BoundInputs> BindInputs(const Signature& signature, const std::map<std::string, HostTensor>& inputs);

// Checks the shape and the bytes of one tensor; messages call it `name`. No dimension is negative, the size does not
// overflow, and the byte count is product(shape) * element size. A BYTES tensor has product(shape) elements of text in
// UTF-8, and at most limits::kMaxTextElements. Otherwise INVALID_ARGUMENT.
absl::Status CheckTensor(std::string_view name, const HostTensor& tensor);

// The elements of a BYTES tensor that has passed CheckTensor; views of its bytes.
std::vector<std::string_view> TextElements(const HostTensor& tensor);

}  // namespace torchferry::tensor
