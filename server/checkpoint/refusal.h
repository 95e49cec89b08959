// Why a pickle that refers to names outside the allow-list is refused, in words that a user can act
// on.
#pragma once

#include <absl/status/status.h>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// For a checkpoint; tree.foreign is not empty.
// INVALID_ARGUMENT: Python objects (a whole model, or classes beside the tensors): names the
// classes and both ways out. DATA_LOSS: names that only an attack needs, or calls that belong to no
// class.
absl::Status RefuseForeign(const PickleTree& tree);

// For a TorchScript archive, where every foreign name is damage or an attack.
absl::Status RefuseForeignInTorchScript(const PickleTree& tree);

}  // namespace torchferry::checkpoint
