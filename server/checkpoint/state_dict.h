// Finds the state_dict in a checkpoint's value tree, and tells which of its entries are tensors.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"

namespace torchferry::checkpoint {

// The value under `key` ("model_state_dict", "ema.model"; "" is the root itself). A key with dots is first looked for
// as one key. INVALID_ARGUMENT when it is missing; the message lists the existing keys.
absl::StatusOr<PickleRef> FindEntry(const PickleTree& tree, std::string_view key);

// Describes the content of the root; empty when the root is no dict.
CheckpointOutline OutlineOf(const PickleTree& tree);

// Reads the dict that `choose` names, or the root without it. INVALID_ARGUMENT: no dict, or one without tensors. If
// dicts inside it hold tensors, the message lists their keys. DATA_LOSS and INVALID_ARGUMENT of a tensor name its key.
absl::StatusOr<CheckpointIndex> ReadStateDict(const PickleTree& tree, const DictChooser& choose,
                                              StorageTable& storages);

}  // namespace torchferry::checkpoint
