// Explains why a pickle that refers to names outside the allow-list is refused, in words that a user can act on.
#pragma once

#include <absl/status/status.h>

#include <string_view>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// Gives the status of reading a checkpoint's pickle; `read` is the machine's status. OK for a pickle that was read to
// its end, with any foreign names, unless one is dangerous.
// DATA_LOSS: a name that only an attack needs, or `read`. INVALID_ARGUMENT: as RefuseObjects, where foreign objects may
// be why the machine stopped.
absl::Status JudgeCheckpoint(const PickleTree& tree, const absl::Status& read);

// The same for a TorchScript archive, where every foreign name is damage or an attack.
absl::Status JudgeTorchScript(const PickleTree& tree, const absl::Status& read);

// The error for a checkpoint whose tensors are all inside Python objects, a whole model for example. tree.foreign is
// not empty. INVALID_ARGUMENT names the classes and the ways out.
absl::Status RefuseObjects(const PickleTree& tree);

// The error for a tensor that only running `maker` could build. INVALID_ARGUMENT.
absl::Status RefuseTensorOf(const PickleNode& maker);

// Whether the module is below torch.distributed, like those of DTensor, ShardedTensor and their parts.
bool IsOfSharding(std::string_view module);

}  // namespace torchferry::checkpoint
