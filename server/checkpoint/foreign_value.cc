#include "server/checkpoint/foreign_value.h"

#include <algorithm>

namespace torchferry::checkpoint {

bool IsClassWithSource(const PickleTree& tree, const PickleNode& node) {
  if (node.kind != PickleKind::kPersistent) return false;
  const PickleNode& id = tree[node.items[0]];
  return id.kind == PickleKind::kTuple && id.items.size() > 1 && tree[id.items[0]].text == "module" &&
         tree[id.items[1]].kind == PickleKind::kGlobal;
}

bool IsForeign(const PickleTree& tree, const PickleNode& node) {
  const auto is_foreign_name = [&](const PickleNode& name) {
    return IsClassWithSource(tree, name) || (name.kind == PickleKind::kGlobal && (name.role == GlobalRole::kForeign ||
                                                                                  name.role == GlobalRole::kDangerous));
  };
  if (node.kind != PickleKind::kObject) return is_foreign_name(node);
  const PickleNode& callable = tree[node.items[0]];
  return callable.kind == PickleKind::kObject || is_foreign_name(callable);
}

const PickleNode* MakerOf(const PickleTree& tree, const PickleNode& node) {
  if (node.kind != PickleKind::kObject) return nullptr;
  const PickleNode& callable = tree[node.items[0]];
  if (IsClassWithSource(tree, callable)) return &tree[tree[callable.items[0]].items[1]];
  return callable.kind == PickleKind::kGlobal ? &callable : nullptr;
}

bool HasStorages(const PickleTree& tree) {
  return std::ranges::any_of(tree.nodes, [&](const PickleNode& node) {
    return node.kind == PickleKind::kPersistent && !IsClassWithSource(tree, node);
  });
}

size_t TensorSearch::CountStorages(PickleRef ref) {
  size_t count = 0;
  std::vector<PickleRef> open = {ref};
  while (!open.empty()) {
    const PickleRef at = open.back();
    open.pop_back();
    if (seen_[at]) continue;
    seen_[at] = true;
    const PickleNode& node = tree_[at];
    if (node.kind == PickleKind::kPersistent && !IsClassWithSource(tree_, node)) ++count;
    open.insert(open.end(), node.items.begin(), node.items.end());
    if (node.state != kNoPickleRef) open.push_back(node.state);
  }
  return count;
}

}  // namespace torchferry::checkpoint
