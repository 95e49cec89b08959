// Turns the calls that a pickle contains (`torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …)`) into
// checked views of storages.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/tensor_view.h"

namespace torchferry::checkpoint {

// Whether the value is a tensor or a parameter, supported or not. It looks through _rebuild_parameter.
bool IsTensor(const PickleTree& tree, PickleRef ref);

// For one thread. The tree and the table must outlive it.
class TensorRebuilder {
 public:
  TensorRebuilder(const PickleTree& tree, StorageTable& storages) : tree_(tree), storages_(storages) {}

  // Gives the tensor at `ref` (IsTensor), with an empty key.
  // DATA_LOSS: arguments of other types, a negative size or stride, or a view that leaves its storage.
  // INVALID_ARGUMENT: sound, but not servable: quantised, sparse, meta, an unsupported dtype, or a lazily conjugated
  // view.
  absl::StatusOr<TensorInfo> Rebuild(PickleRef ref);

  // For a tensor that Rebuild finds INVALID_ARGUMENT and that LibTorch will read. LibTorch trusts the pickle's sizes,
  // strides and quantisation. DATA_LOSS: a view that leaves its storage, or scales that are not one for each channel.
  // INVALID_ARGUMENT: sparse, nested and the like, whose parts LibTorch does not check.
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
