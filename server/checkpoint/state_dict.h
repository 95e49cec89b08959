// From a checkpoint's value tree to a flat state_dict: which of its entries are tensors, and where
// the dict is.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"

namespace torchferry::checkpoint {

// The value under `key` ("model_state_dict", "ema.model"; "" is the root itself). A key with dots
// is first looked for as it stands. INVALID_ARGUMENT when there is none, with the keys that there
// are.
absl::StatusOr<PickleRef> FindEntry(const PickleTree& tree, std::string_view key);

// What the root holds; empty when it is no dict.
CheckpointOutline OutlineOf(const PickleTree& tree);

// Reads the dict that `choose` names, or the root without it. INVALID_ARGUMENT: no dict, or one
// without tensors; when dicts inside it hold tensors, the message lists their keys. DATA_LOSS and
// INVALID_ARGUMENT of a tensor name its key.
absl::StatusOr<CheckpointIndex> ReadStateDict(const PickleTree& tree, const DictChooser& choose,
                                              StorageTable& storages);

}  // namespace torchferry::checkpoint
