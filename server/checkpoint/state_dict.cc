#include "server/checkpoint/state_dict.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/tensor_rebuild.h"

namespace torchferry::checkpoint {
namespace {

// Calls `visit(key, value)` for each entry of a dict.
template <typename Visit>
void ForEachEntry(const PickleNode& dict, Visit visit) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) visit(dict.items[i], dict.items[i + 1]);
}

std::vector<std::string> KeysOf(const PickleTree& tree, const PickleNode& dict) {
  std::vector<std::string> keys;
  ForEachEntry(dict, [&](PickleRef key, PickleRef) { keys.push_back(Quoted(tree[key].text)); });
  return keys;
}

// How many tensors each dict holds itself. Remembers: a hostile pickle may name one big dict a
// million times.
class TensorCounts {
 public:
  explicit TensorCounts(const PickleTree& tree) : tree_(tree) {}

  size_t Of(PickleRef ref) {
    if (tree_[ref].kind != PickleKind::kDict) return 0;
    const auto known = counts_.find(ref);
    if (known != counts_.end()) return known->second;
    size_t count = 0;
    ForEachEntry(tree_[ref], [&](PickleRef, PickleRef value) { count += IsTensor(tree_, value) ? 1 : 0; });
    counts_.emplace(ref, count);
    return count;
  }

 private:
  const PickleTree& tree_;
  std::unordered_map<PickleRef, size_t> counts_;
};

// A state_dict may hold a dict of tensors (an `_extra_state`), and a training checkpoint a tensor
// of its own (`best_accuracy`): what holds more tensors is the state_dict.
bool IsFlatStateDict(const PickleTree& tree, PickleRef ref) {
  TensorCounts counts(tree);
  size_t most = 0;
  ForEachEntry(tree[ref], [&](PickleRef, PickleRef value) { most = std::max(most, counts.Of(value)); });
  return counts.Of(ref) > 0 && counts.Of(ref) >= most;
}

// Dicts that hold tensors, some levels deep: {"model": {...}, "trainer": {"ema": {"model": {...}}}}. Each dict is
// looked at once, whatever names it.
class NestedDictSearch {
 public:
  explicit NestedDictSearch(const PickleTree& tree) : tree_(tree), counts_(tree) {}

  std::vector<NestedDict> Below(const PickleNode& dict) {
    Visit(dict, "", 1);
    return std::move(dicts_);
  }

 private:
  static constexpr size_t kMostLevels = 4;

  void Visit(const PickleNode& dict, const std::string& path, size_t level) {
    ForEachEntry(dict, [&](PickleRef key, PickleRef value) {
      const bool is_new = tree_[key].kind == PickleKind::kString && tree_[value].kind == PickleKind::kDict &&
                          seen_.insert(value).second;
      if (!is_new || path.size() + tree_[key].text.size() >= limits::kMaxKeyBytes) return;  // no state_dict's name
      const std::string inner =
          path.empty() ? std::string(tree_[key].text) : fmt::format("{}.{}", path, tree_[key].text);
      if (const size_t count = counts_.Of(value); count > 0) {
        dicts_.push_back({inner, count});
      } else if (level < kMostLevels) {
        Visit(tree_[value], inner, level + 1);
      }
    });
  }

  const PickleTree& tree_;
  TensorCounts counts_;
  std::unordered_set<PickleRef> seen_;
  std::vector<NestedDict> dicts_;
};

std::vector<NestedDict> NestedDicts(const PickleTree& tree, const PickleNode& dict) {
  return NestedDictSearch(tree).Below(dict);
}

std::vector<std::string> QuotedKeys(const std::vector<NestedDict>& dicts) {
  std::vector<std::string> keys;
  for (const NestedDict& dict : dicts) keys.push_back(Quoted(dict.key));
  return keys;
}

absl::Status WhyNoStateDict(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  constexpr std::string_view kWanted =
      "; a state_dict is a dict from names to tensors: torch.save(model.state_dict(), path)";
  if (IsTensor(tree, ref)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "holds a bare tensor{}", kWanted);
  }
  if (node.kind != PickleKind::kDict) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "holds a {}{}", Name(node.kind), kWanted);
  }
  const std::vector<std::string> nested = QuotedKeys(NestedDicts(tree, node));
  if (!nested.empty()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "is a training checkpoint: tensors lie in the dicts under {}; save the one "
                            "with the model's weights alone: torch.save(checkpoint[\"…\"], path)",
                            Listed(nested));
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "holds a dict without tensors; its keys: {}{}",
                          Listed(KeysOf(tree, node)), kWanted);
}

const PickleNode* Lookup(const PickleTree& tree, const PickleNode& dict, std::string_view key, PickleRef& value) {
  const PickleNode* found = nullptr;
  ForEachEntry(dict, [&](PickleRef k, PickleRef v) {
    if (tree[k].kind != PickleKind::kString || tree[k].text != key) return;
    found = &tree[v];
    value = v;
  });
  return found;
}

// Quantised modules keep their weight and bias packed in one value that is no tensor.
absl::Status RefusePacked(const PickleTree& tree, std::string_view key, PickleRef value) {
  const std::string_view last = key.substr(key.rfind('.') + 1);
  if (last != "_packed_params" || tree[value].kind == PickleKind::kNone) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "entry {} holds the packed weights of a quantised module; save the float model's "
                          "state_dict, from before torch.ao.quantization.convert, or the quantised model "
                          "with its code: torch.jit.script(model).save(path)",
                          Quoted(key));
}

// Adds one entry; `seen` has the keys so far.
absl::Status AddEntry(const PickleTree& tree, PickleRef key_ref, PickleRef value, TensorRebuilder& rebuilder,
                      std::unordered_set<std::string_view>& seen, CheckpointIndex& result) {
  const PickleNode& key = tree[key_ref];
  if (key.kind != PickleKind::kString) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds a dict with a key that is a {}; the keys of a state_dict are strings",
                            Name(key.kind));
  }
  if (!IsCleanUtf8(key.text)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "key {} is not clean UTF-8", Quoted(key.text));
  }
  if (!seen.insert(key.text).second) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "key {} is there twice", Quoted(key.text));
  }
  if (!IsTensor(tree, value)) {
    FERRY_RETURN_IF_ERROR(RefusePacked(tree, key.text, value));
    result.other_entries.emplace_back(key.text);
    return absl::OkStatus();
  }
  absl::StatusOr<TensorInfo> tensor = rebuilder.Rebuild(value);
  if (!tensor.ok()) {
    return base::Annotate(tensor.status(), fmt::format("tensor {}", Quoted(key.text)));
  }
  tensor->key = std::string(key.text);
  result.tensors.push_back(*std::move(tensor));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PickleRef> FindEntry(const PickleTree& tree, std::string_view key) {
  if (key.size() > limits::kMaxKeyBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "key {} is looked for; at most {} bytes name a dict",
                            Quoted(key), limits::kMaxKeyBytes);
  }
  PickleRef at = tree.root;
  // A dict may hold itself, so the key alone bounds the way.
  for (size_t parts = 1; !key.empty(); ++parts) {
    if (parts > limits::kMaxDictKeyParts) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "key {} is looked for below {} dicts, which is as deep as is looked", Quoted(key),
                              limits::kMaxDictKeyParts);
    }
    const PickleNode& dict = tree[at];
    if (dict.kind != PickleKind::kDict) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "holds a {} where key {} is looked for",
                              Name(dict.kind), Quoted(key));
    }
    if (Lookup(tree, dict, key, at) != nullptr) return at;
    const size_t dot = key.find('.');
    if (dot == std::string_view::npos || Lookup(tree, dict, key.substr(0, dot), at) == nullptr) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "has no key {}; its keys: {}", Quoted(key),
                              Listed(KeysOf(tree, dict)));
    }
    key.remove_prefix(dot + 1);
  }
  return at;
}

CheckpointOutline OutlineOf(const PickleTree& tree) {
  CheckpointOutline outline;
  const PickleNode& root = tree[tree.root];
  if (root.kind != PickleKind::kDict) return outline;
  // An empty dict is a model without weights.
  outline.is_flat = root.items.empty() || IsFlatStateDict(tree, tree.root);
  outline.dicts = NestedDicts(tree, root);
  ForEachEntry(root, [&](PickleRef key, PickleRef) {
    if (tree[key].kind == PickleKind::kString) outline.keys.emplace_back(tree[key].text);
  });
  return outline;
}

absl::StatusOr<CheckpointIndex> ReadStateDict(const PickleTree& tree, const DictChooser& choose,
                                              StorageTable& storages) {
  CheckpointIndex result;
  result.producer = "PyTorch";  // torch.save writes its format's version, but not PyTorch's
  PickleRef ref = tree.root;
  if (choose && tree[ref].kind == PickleKind::kDict) {
    FERRY_ASSIGN_OR_RETURN(result.key, choose(OutlineOf(tree)));
    PickleRef version = kNoPickleRef;
    result.is_lightning = Lookup(tree, tree[ref], "pytorch-lightning_version", version) != nullptr;
    FERRY_ASSIGN_OR_RETURN(ref, FindEntry(tree, result.key));
  }
  const PickleNode& dict = tree[ref];
  // An empty dict is a model without weights; one of other things is something else.
  if (dict.kind != PickleKind::kDict || (!dict.items.empty() && !IsFlatStateDict(tree, ref))) {
    const absl::Status why = WhyNoStateDict(tree, ref);
    return result.key.empty() ? why : base::Annotate(why, fmt::format("key {}", Quoted(result.key)));
  }
  TensorRebuilder rebuilder(tree, storages);
  std::unordered_set<std::string_view> seen;
  absl::Status status;
  ForEachEntry(dict, [&](PickleRef key, PickleRef value) {
    if (status.ok()) status = AddEntry(tree, key, value, rebuilder, seen, result);
  });
  FERRY_RETURN_IF_ERROR(status);
  result.storages = storages.storages();
  return result;
}

}  // namespace torchferry::checkpoint
