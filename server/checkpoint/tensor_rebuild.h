// From the calls that a pickle writes down (`torch._utils._rebuild_tensor_v2(storage, offset, size,
// stride, …)`) to what they mean: a checked view of a storage.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/tensor_view.h"

namespace torchferry::checkpoint {

// Whether the value is a tensor or a parameter, supported or not. Looks through _rebuild_parameter.
bool IsTensor(const PickleTree& tree, PickleRef ref);

// One thread. Refers to the tree and the table, which must outlive it.
class TensorRebuilder {
 public:
  TensorRebuilder(const PickleTree& tree, StorageTable& storages) : tree_(tree), storages_(storages) {}

  // The tensor at `ref` (IsTensor), its key left empty.
  // DATA_LOSS: arguments of other types, a negative size or stride, a view that leaves its storage.
  // INVALID_ARGUMENT: sound, but nothing that can be served: quantised, sparse, meta, an
  // unsupported dtype, a lazily conjugated view.
  absl::StatusOr<TensorInfo> Rebuild(PickleRef ref);

  // For a tensor that Rebuild finds INVALID_ARGUMENT and that LibTorch will read: it takes what the pickle says of
  // sizes, strides and quantisation as true. DATA_LOSS: a view that leaves its storage, scales that are not one for
  // each channel. INVALID_ARGUMENT: sparse, nested and the like, whose parts LibTorch does not check.
  absl::Status CheckForLibTorch(PickleRef ref);

 private:
  absl::StatusOr<TensorInfo> RebuildStrided(std::string_view function, const PickleNode& arguments);
  absl::Status ReadView(const std::vector<PickleRef>& items, TensorInfo& tensor);
  absl::Status CheckExtent(const TensorInfo& tensor, const StorageType& type);
  absl::Status CheckQuantiser(const PickleNode& quantiser, const TensorInfo& tensor);

  const PickleTree& tree_;
  StorageTable& storages_;
  ViewChecker views_;
};

}  // namespace torchferry::checkpoint
