// NumPy arrays in a pickle (`numpy._core.multiarray._reconstruct` with a state, `_frombuffer` since protocol 5), read
// as the tensors that torch.from_numpy would make of them. Their bytes are in the pickle itself.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"

namespace torchferry::checkpoint {

// Whether the value is an array of numbers or bools that a tensor can hold. One of strings, objects or dates is none.
bool IsArray(const PickleTree& tree, PickleRef ref);

// The array at `ref` (IsArray), its key left empty; its bytes become a storage of `storages`, little-endian. DATA_LOSS:
// no shape, another number of bytes than the shape and the type say, more than limits.h allows for all of a file.
absl::StatusOr<TensorInfo> RebuildArray(const PickleTree& tree, PickleRef ref, StorageTable& storages);

}  // namespace torchferry::checkpoint
