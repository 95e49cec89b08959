// Why a pickle that refers to names outside the allow-list is refused, in words that a user can act
// on.
#pragma once

#include <absl/status/status.h>

#include <string_view>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// What reading a pickle ends with, `read` being what the machine said. For a checkpoint: OK where it was read to its
// end, whatever foreign names it has, unless one is dangerous.
// DATA_LOSS: a name that only an attack needs, or `read`. INVALID_ARGUMENT: as RefuseObjects, where foreign objects
// may be why the machine stopped.
absl::Status JudgeCheckpoint(const PickleTree& tree, const absl::Status& read);

// For a TorchScript archive, where every foreign name is damage or an attack.
absl::Status JudgeTorchScript(const PickleTree& tree, const absl::Status& read);

// For a checkpoint whose tensors are all inside of Python objects, a whole model for example; tree.foreign is not
// empty. INVALID_ARGUMENT that names the classes and the ways out.
absl::Status RefuseObjects(const PickleTree& tree);

// For a tensor that `maker` would have to be run for. INVALID_ARGUMENT.
absl::Status RefuseTensorOf(const PickleNode& maker);

// Whether the name is DTensor, ShardedTensor or what belongs to them.
bool IsOfSharding(std::string_view module);

}  // namespace torchferry::checkpoint
