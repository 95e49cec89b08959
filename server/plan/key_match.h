// Matches the tensors of a state_dict with those of an architecture, as torch.nn.Module.load_state_dict does. Pure.
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

// Gives a sentence for each thing that load_state_dict would not do in silence. These are tensors that stay as the
// architecture has them, tensors that are ignored, and tensors whose dtype changes.
// INVALID_ARGUMENT: another shape (names the key and both shapes), or, when `strict`, missing parameters or unexpected
// keys (lists both). Buffers may be missing, because an archive does not say which of them its state_dict has.
absl::StatusOr<std::vector<std::string>> MatchKeys(const std::vector<ArchitectureTensor>& architecture,
                                                   const std::vector<StateDictTensor>& state_dict, bool strict);

}  // namespace torchferry::plan
