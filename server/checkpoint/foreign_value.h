// Values that a pickle makes of names outside the allow-list. Nothing of them is run, so they stand for nothing; what
// must not be taken for nothing is a tensor.
#pragma once

#include <vector>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// Whether `node` is the persistent id of a class with its source, ('module', class, file, source), as the legacy format
// has them for classes of torch.nn.Module.
bool IsClassWithSource(const PickleTree& tree, const PickleNode& node);

// Whether `node` is such a name, or was made of one. Only one level is looked at: a chain may be long, even a circle.
bool IsForeign(const PickleTree& tree, const PickleNode& node);

// Whether the file has tensors anywhere, in objects too.
bool HasStorages(const PickleTree& tree);

// The name that the object `node` was made by; null where that is not one name.
const PickleNode* MakerOf(const PickleTree& tree, const PickleNode& node);

// Finds tensors in values that are none. One use for all values of a file: each node is looked at once.
class TensorSearch {
 public:
  explicit TensorSearch(const PickleTree& tree) : tree_(tree), seen_(tree.nodes.size(), false) {}

  // How many storages are below `ref`, at any depth, but for those that were counted before.
  size_t CountStorages(PickleRef ref);

 private:
  const PickleTree& tree_;
  std::vector<bool> seen_;
};

}  // namespace torchferry::checkpoint
