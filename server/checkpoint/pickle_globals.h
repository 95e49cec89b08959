// The names that a pickle may refer to. There is one list for checkpoints, and a wider one for TorchScript archives.
// Neither makes anything run: a name only decides which kind of data the machine builds.
#pragma once

#include <string_view>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// Immutable; thread-safe.
class PickleGlobals {
 public:
  virtual ~PickleGlobals() = default;
  virtual GlobalRole RoleOf(std::string_view module, std::string_view name) const = 0;
};

// The names that torch.save writes for tensors, for containers of them and for plain data beside them.
const PickleGlobals& CheckpointGlobals();

// The same, and the archive's own classes (`__torch__.…`) and containers (`torch.jit._pickle.…`).
const PickleGlobals& TorchScriptGlobals();

}  // namespace torchferry::checkpoint
