// Reads NumPy arrays in a pickle as the tensors that torch.from_numpy would give. The pickle has them as
// `numpy._core.multiarray._reconstruct` with a state, or as `_frombuffer` since protocol 5. Their bytes are in the
// pickle itself.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"

namespace torchferry::checkpoint {

// Whether the value is an array of numbers or bools that a tensor can hold. Arrays of strings, objects or dates are
// not.
bool IsArray(const PickleTree& tree, PickleRef ref);

// Gives the array at `ref` (IsArray), with an empty key. Its bytes become a storage of `storages`, little-endian.
// DATA_LOSS: no shape, or a number of bytes that contradicts the shape and the type. The same code is for more bytes
// than limits.h allows for all arrays of a file.
absl::StatusOr<TensorInfo> RebuildArray(const PickleTree& tree, PickleRef ref, StorageTable& storages);

}  // namespace torchferry::checkpoint
