// Tensors without elements that stand where weights were.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::plan {

// DeepSpeed's ZeRO-3 splits each weight among its processes, and what is saved of the module itself are tensors of
// shape [0]. INVALID_ARGUMENT with the way out where one is in a checkpoint that DeepSpeed wrote, by `outermost`, the
// keys of its outermost dict; of other files, where most of the tensors are of that shape.
absl::Status CheckForPlaceholders(const std::vector<checkpoint::TensorInfo>& tensors,
                                  const std::vector<std::string>& outermost);

}  // namespace torchferry::plan
