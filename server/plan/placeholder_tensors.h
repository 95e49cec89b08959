// Finds tensors without elements that were saved in the place of weights.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::plan {

// DeepSpeed's ZeRO-3 splits each weight among its processes. It then saves tensors of shape [0] for the module itself.
// INVALID_ARGUMENT, with the way out, for one such tensor in a checkpoint that DeepSpeed wrote. In other files the
// error needs more than half of the tensors to have that shape. `outermost` are the keys of the outermost dict; they
// tell DeepSpeed's files.
absl::Status CheckForPlaceholders(const std::vector<checkpoint::TensorInfo>& tensors,
                                  const std::vector<std::string>& outermost);

}  // namespace torchferry::plan
