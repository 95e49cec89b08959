// The module inside a TorchScript archive's data.pkl: its tensors by their path, as state_dict() would name them.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/tensor_rebuild.h"
#include "server/checkpoint/torchscript.h"

namespace torchferry::checkpoint {

// Walks the object tree from the root. `info` has the code, which tells the parameters; it gets the tensors and the
// root's class. Tensors that a state_dict cannot hold (quantised, sparse) are left out. DATA_LOSS: an object that holds
// itself, or more attributes than limits.h allows.
absl::Status ListModuleTensors(const PickleTree& tree, TensorRebuilder& rebuilder, TorchScriptInfo& info);

}  // namespace torchferry::checkpoint
