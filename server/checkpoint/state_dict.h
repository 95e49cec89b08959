// From a checkpoint's value tree to a flat state_dict: which of its entries are tensors, and where
// the dict is.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/tensor_rebuild.h"

namespace torchferry {

struct StateDict {
  std::vector<TensorInfo> tensors;
  std::vector<std::string> other_entries;
};

// The value under `key` ("model_state_dict", "ema.model"; "" is the root itself). A key with dots
// is first looked for as it stands. INVALID_ARGUMENT when there is none, with the keys that there
// are.
absl::StatusOr<PickleRef> FindEntry(const PickleTree& tree, std::string_view key);

// Reads the dict at `ref`. INVALID_ARGUMENT: no dict, or one without tensors; when dicts inside it
// hold tensors, the message lists their keys. DATA_LOSS and INVALID_ARGUMENT of a tensor name its
// key.
absl::StatusOr<StateDict> ReadStateDict(const PickleTree& tree, PickleRef ref,
                                        TensorRebuilder& rebuilder);

}  // namespace torchferry
