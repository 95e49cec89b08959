// What a model takes and gives, and the check of a request's tensors against it. Both APIs and the model itself speak
// in these terms.
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

// The type of a `forward` argument, or of what is in a tuple or dict that is one. Scalars travel as one-element tensors
// of shape [] or [1]: kInt as INT64, kFloat as FP32, kBool as BOOL, kString as BYTES. kStringList is a BYTES tensor,
// whose elements are the list's in row-major order.
enum class ArgumentKind {
  kTensor,
  kOptionalTensor,
  kTensorList,
  kInt,
  kFloat,
  kBool,
  kString,
  kStringList,
  kTensorDict,  // whose keys nobody knows before a request
};

// "tensor", "optional tensor", "tensor list", "int", "float", "bool", "string", "string list", "tensor dict".
std::string_view Name(ArgumentKind kind);

// One value for all rows. The others have rows where the model has a batch dimension.
constexpr bool IsScalar(ArgumentKind kind) {
  return kind == ArgumentKind::kInt || kind == ArgumentKind::kFloat || kind == ArgumentKind::kBool ||
         kind == ArgumentKind::kString;
}

// It becomes one tensor or several.
constexpr bool IsOfTensors(ArgumentKind kind) { return !IsScalar(kind) && kind != ArgumentKind::kStringList; }

struct TensorSpec {
  std::string name;
  ArgumentKind kind = ArgumentKind::kTensor;
  DType dtype = DType::kInvalid;  // kInvalid: not declared, any
  // Full shape as clients send it, the batch dimension included; absent: not declared, any. kAnyDim: any size.
  std::optional<Shape> shape;
  bool is_optional = false;  // may be left out
  size_t row_dimension = 0;  // where the rows are, if the model has a batch dimension
  // Not 0: it is in an optional tuple or dict, of which all inputs are sent or none. Those of one have the same number.
  int group = 0;
  std::vector<SizeLimit> size_limits = {};  // of free sizes; none: any size
};

struct Signature {
  std::vector<TensorSpec> inputs;   // in the order of forward's arguments
  std::vector<TensorSpec> outputs;  // empty when not known before the first forward pass
  // Most rows of one forward pass. 0: no batch dimension; otherwise dimension 0 of every tensor is the rows, but for
  // those inputs whose row_dimension is another.
  int64_t max_batch_size = 0;
  // A request may have more rows than that: it runs in parts.
  bool splits_oversized = false;

  bool HasBatchDimension() const { return max_batch_size > 0; }
};

// A request's inputs in the order of Signature::inputs.
struct BoundInputs {
  // One entry for each input; a tensor list has one or more tensors, an optional one that was left out none.
  std::vector<std::vector<HostTensor>> values;
  int64_t rows = 1;  // 1 when the model has no batch dimension
  // Of a tensor dict, by its index among the inputs: the keys of its tensors, in their order.
  std::map<size_t, std::vector<std::string>> keys = {};
};

// Matches inputs by name and checks dtype, rank, dimensions, byte count and rows. A tensor list "xs" is sent as "xs"
// (one tensor) or as "xs__0", "xs__1", …; torch.export's "xs_0" is the same where no input has that name. A tensor
// dict "d" is sent as "d_KEY". INVALID_ARGUMENT saying which input, which value and what was expected.
absl::StatusOr<BoundInputs> BindInputs(const Signature& signature, const std::map<std::string, HostTensor>& inputs);

// Checks shape and bytes of one tensor, by the name it has in messages: no negative dimension, no overflow, byte count
// equal to product(shape) * element size. Of BYTES: as many elements of text in UTF-8, and at most
// limits::kMaxTextElements. INVALID_ARGUMENT.
absl::Status CheckTensor(std::string_view name, const HostTensor& tensor);

// The elements of a BYTES tensor that has passed CheckTensor; views of its bytes.
std::vector<std::string_view> TextElements(const HostTensor& tensor);

}  // namespace torchferry::tensor
