// Which names a pickle may refer to. One list for checkpoints, a wider one for TorchScript
// archives; neither makes anything run: a name only decides what kind of data the machine builds.
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

// What torch.save writes for tensors, containers of them and plain data beside them.
const PickleGlobals& CheckpointGlobals();

// The same, and the archive's own classes (`__torch__.…`) and containers (`torch.jit._pickle.…`).
const PickleGlobals& TorchScriptGlobals();

}  // namespace torchferry::checkpoint
