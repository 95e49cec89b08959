#include "server/checkpoint/pickle_depth.h"

#include <algorithm>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

// Depth first with a stack of its own; each node once.
class DepthSearch {
 public:
  explicit DepthSearch(const PickleTree& tree) : tree_(tree), heights_(tree.nodes.size(), kUnseen) {}

  // False when it is deeper than `most`, or inside itself.
  bool StaysWithin(size_t most) {
    Enter(tree_.root);
    while (!open_.empty()) {
      Frame& frame = open_.back();
      const PickleNode& node = tree_[frame.ref];
      const size_t count = node.items.size() + (node.state == kNoPickleRef ? 0 : 1);
      if (frame.next == count) {
        heights_[frame.ref] = frame.height + 1;
        Leave();
        continue;
      }
      const PickleRef child = frame.next < node.items.size() ? node.items[frame.next] : node.state;
      ++frame.next;
      if (heights_[child] == kOpen) return false;
      if (heights_[child] == kUnseen) {
        Enter(child);
        if (open_.size() > most) return false;
      } else {
        frame.height = std::max(frame.height, heights_[child]);
        // A shared value counts wherever it is.
        if (open_.size() + heights_[child] > most) return false;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kUnseen = 0;
  static constexpr size_t kOpen = SIZE_MAX;

  struct Frame {
    PickleRef ref;
    size_t next = 0;    // child to look at
    size_t height = 0;  // of the children so far
  };

  void Enter(PickleRef ref) {
    heights_[ref] = kOpen;
    open_.push_back({ref});
  }

  void Leave() {
    const size_t height = heights_[open_.back().ref];
    open_.pop_back();
    if (!open_.empty()) open_.back().height = std::max(open_.back().height, height);
  }

  const PickleTree& tree_;
  std::vector<size_t> heights_;
  std::vector<Frame> open_;
};

size_t BracketDepth(std::string_view type) {
  size_t depth = 0;
  size_t most = 0;
  for (const char c : type) {
    if (c == '[' || c == '(') most = std::max(most, ++depth);
    if ((c == ']' || c == ')') && depth > 0) --depth;
  }
  return most;
}

// restore_type_tag(value, "List[int]"): the type is parsed by recursion.
bool IsDeepType(const PickleTree& tree, const PickleNode& node) {
  if (node.kind != PickleKind::kObject || node.items.size() < 2) return false;
  if (tree[node.items[0]].name != "restore_type_tag") return false;
  const std::vector<PickleRef>& arguments = tree[node.items[1]].items;
  return std::ranges::any_of(arguments, [&](PickleRef ref) {
    return tree[ref].kind == PickleKind::kString && BracketDepth(tree[ref].text) > limits::kMaxTypeDepth;
  });
}

}  // namespace

absl::Status CheckPickleDepth(const PickleTree& tree) {
  if (tree.root == kNoPickleRef) return absl::OkStatus();
  if (!DepthSearch(tree).StaysWithin(limits::kMaxTorchScriptValueDepth)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has values inside each other more than {} deep",
                            limits::kMaxTorchScriptValueDepth);
  }
  for (const PickleNode& node : tree.nodes) {
    if (!IsDeepType(tree, node)) continue;
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has a type whose brackets nest more than {} deep",
                            limits::kMaxTypeDepth);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::checkpoint
