// Values that a pickle builds from names outside the allow-list. None of their code is run, so they stand for nothing.
// A tensor among them must not be lost without notice.
#pragma once

#include <vector>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// Whether `node` is the persistent id of a class with its source, ('module', class, file, source). The legacy format
// has such ids for classes of torch.nn.Module.
bool IsClassWithSource(const PickleTree& tree, const PickleNode& node);

// Whether `node` is such a name, or an object made by one or by another object. It looks at one level only: a chain may
// be long, or a circle.
bool IsForeign(const PickleTree& tree, const PickleNode& node);

// Whether the file has tensors anywhere, also inside objects.
bool HasStorages(const PickleTree& tree);

// The name that made the object `node`; null where that is not one name.
const PickleNode* MakerOf(const PickleTree& tree, const PickleNode& node);

// Finds tensors inside values that are not tensors. Use one for all values of a file: it looks at each node once.
class TensorSearch {
 public:
  explicit TensorSearch(const PickleTree& tree) : tree_(tree), seen_(tree.nodes.size(), false) {}

  // The number of storages below `ref`, at any depth, without those that were counted before.
  size_t CountStorages(PickleRef ref);

 private:
  const PickleTree& tree_;
  std::vector<bool> seen_;
};

}  // namespace torchferry::checkpoint
