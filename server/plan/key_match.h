// Which tensors of a state_dict fill which of an architecture: what torch.nn.Module.load_state_dict
// would say. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::plan {

struct ArchitectureTensor {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;
  bool is_parameter = false;
};

struct StateDictTensor {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;
};

// A sentence for each thing that load_state_dict would not do in silence: tensors that stay as the
// architecture has them, that are ignored, or whose dtype changes.
// INVALID_ARGUMENT: another shape (names the key and both shapes), or, when `strict`, missing
// parameters or unexpected keys (lists both). Buffers may be missing: an archive does not say which
// of them its state_dict has.
absl::StatusOr<std::vector<std::string>> MatchKeys(const std::vector<ArchitectureTensor>& architecture,
                                                   const std::vector<StateDictTensor>& state_dict, bool strict);

}  // namespace torchferry::plan
