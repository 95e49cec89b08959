#include "server/checkpoint/state_dict.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/array_rebuild.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/foreign_value.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/refusal.h"
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

// What makes a dict a state_dict. Arrays do so only in a file without tensors: a training checkpoint has some of its
// own, of a random generator's state for example.
enum class Counted { kTensors, kArrays };

// How many tensors each dict holds itself. Remembers: a hostile pickle may name one big dict a
// million times.
class TensorCounts {
 public:
  TensorCounts(const PickleTree& tree, Counted counted) : tree_(tree), counted_(counted) {}

  size_t Of(PickleRef ref) {
    if (tree_[ref].kind != PickleKind::kDict) return 0;
    const auto known = counts_.find(ref);
    if (known != counts_.end()) return known->second;
    size_t count = 0;
    ForEachEntry(tree_[ref], [&](PickleRef, PickleRef value) {
      const bool counts = counted_ == Counted::kTensors ? IsTensor(tree_, value) : IsArray(tree_, value);
      count += counts ? 1 : 0;
    });
    counts_.emplace(ref, count);
    return count;
  }

 private:
  const PickleTree& tree_;
  const Counted counted_;
  std::unordered_map<PickleRef, size_t> counts_;
};

// A state_dict may hold a dict of tensors (an `_extra_state`), and a training checkpoint a tensor
// of its own (`best_accuracy`): what holds more tensors is the state_dict.
bool IsFlat(const PickleTree& tree, PickleRef ref, Counted counted) {
  TensorCounts counts(tree, counted);
  size_t most = 0;
  ForEachEntry(tree[ref], [&](PickleRef, PickleRef value) { most = std::max(most, counts.Of(value)); });
  return counts.Of(ref) > 0 && counts.Of(ref) >= most;
}

bool IsFlatStateDict(const PickleTree& tree, PickleRef ref) {
  return IsFlat(tree, ref, Counted::kTensors) || (!HasStorages(tree) && IsFlat(tree, ref, Counted::kArrays));
}

// Dicts that hold tensors, some levels deep: {"model": {...}, "trainer": {"ema": {"model": {...}}}}. Each dict is
// looked at once, whatever names it.
class NestedDictSearch {
 public:
  NestedDictSearch(const PickleTree& tree, Counted counted) : tree_(tree), counts_(tree, counted) {}

  std::vector<NestedDict> Below(const PickleNode& dict) {
    Visit(dict, "", 1);
    return std::move(dicts_);
  }

 private:
  static constexpr size_t kMaxLevels = 4;

  void Visit(const PickleNode& dict, const std::string& path, size_t level) {
    ForEachEntry(dict, [&](PickleRef key, PickleRef value) {
      const bool is_new = tree_[key].kind == PickleKind::kString && tree_[value].kind == PickleKind::kDict &&
                          seen_.insert(value).second;
      if (!is_new || path.size() + tree_[key].text.size() >= limits::kMaxKeyBytes) return;  // no state_dict's name
      const std::string inner =
          path.empty() ? std::string(tree_[key].text) : fmt::format("{}.{}", path, tree_[key].text);
      if (const size_t count = counts_.Of(value); count > 0) {
        dicts_.push_back({inner, count});
      } else if (level < kMaxLevels) {
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
  std::vector<NestedDict> dicts = NestedDictSearch(tree, Counted::kTensors).Below(dict);
  return dicts.empty() && !HasStorages(tree) ? NestedDictSearch(tree, Counted::kArrays).Below(dict) : dicts;
}

// Objects of classes that are not known, and what of tensors is in them: directly in the dict, or in one below it.
std::vector<HeldObject> HeldObjects(const PickleTree& tree, const PickleNode& dict) {
  std::vector<HeldObject> objects;
  TensorSearch search(tree);
  const auto add = [&](PickleRef key, PickleRef value) {
    const PickleNode* maker = MakerOf(tree, tree[value]);
    if (maker == nullptr || !IsForeign(tree, *maker)) return;
    const size_t tensors = search.CountStorages(value);
    if (tensors > 0) objects.push_back({std::string(tree[key].text), DottedName(maker->text, maker->name), tensors});
  };
  if (tree.foreign.empty()) return objects;
  ForEachEntry(dict, add);
  return objects;
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
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds a bare tensor{}. In Python, torch.save({{\"weight\": torch.load(\"model.pt\")}}, "
                            "\"model.pt\") makes one of it",
                            kWanted);
  }
  if (IsForeign(tree, node)) return RefuseObjects(tree);
  if (node.kind == PickleKind::kList || node.kind == PickleKind::kTuple) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds a {}{}. In Python, torch.save({{str(i): v for i, v in enumerate(torch.load("
                            "\"model.pt\"))}}, \"model.pt\") makes one of tensors in a row",
                            Name(node.kind), kWanted);
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
  if (!tree.foreign.empty()) return RefuseObjects(tree);
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
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "entry {} holds the packed weights of a quantised module. Save the float model's state_dict, from before "
      "torch.ao.quantization.convert, or save the quantised model with its code: torch.jit.script(model).save(path)",
      Quoted(key));
}

// A call with bytes of the file among its arguments may make a tensor; so may a class of sharded ones. Any other object
// is no part of a state_dict: a loss module beside the weights.
absl::Status RefuseUnknownTensor(const PickleTree& tree, PickleRef value, TensorSearch& search) {
  const PickleNode& node = tree[value];
  const PickleNode* maker = MakerOf(tree, node);
  if (maker == nullptr) return absl::OkStatus();
  // _rebuild_from_type_v2(function, …): the function is what counts.
  const PickleNode& arguments = tree[node.items[1]];
  const bool is_wrapped = maker->text == "torch._tensor" && !arguments.items.empty();
  if (is_wrapped && tree[arguments.items[0]].kind == PickleKind::kGlobal) maker = &tree[arguments.items[0]];
  if (!is_wrapped && !IsForeign(tree, *maker)) return absl::OkStatus();
  if (IsOfSharding(maker->text) && (node.is_instance || search.CountStorages(value) > 0)) return RefuseTensorOf(*maker);
  if (node.is_instance || search.CountStorages(node.items[1]) == 0) return absl::OkStatus();
  return RefuseTensorOf(*maker);
}

absl::Status OfSharding(const PickleTree& tree, absl::Status status) {
  const auto is_sharded = [](const ForeignGlobal& name) { return IsOfSharding(name.module); };
  return std::ranges::any_of(tree.foreign, is_sharded) && absl::IsInvalidArgument(status) ? RefuseObjects(tree)
                                                                                          : status;
}

// What the entries of one dict are read with.
struct Entries {
  TensorRebuilder rebuilder;
  StorageTable& storages;
  TensorSearch search;
  std::unordered_set<std::string_view> seen;  // the keys so far
};

// Adds one entry.
absl::Status AddEntry(const PickleTree& tree, PickleRef key_ref, PickleRef value, Entries& entries,
                      CheckpointIndex& result) {
  const PickleNode& key = tree[key_ref];
  if (key.kind != PickleKind::kString) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds a dict with a key that is a {}; the keys of a state_dict are strings. In Python, "
                            "torch.save({{str(k): v for k, v in torch.load(\"model.pt\").items()}}, \"model.pt\")",
                            Name(key.kind));
  }
  if (!IsCleanUtf8(key.text)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "key {} is not clean UTF-8", Quoted(key.text));
  }
  if (!entries.seen.insert(key.text).second) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "key {} is there twice", Quoted(key.text));
  }
  const bool is_array = IsArray(tree, value);
  if (!is_array && !IsTensor(tree, value)) {
    FERRY_RETURN_IF_ERROR(RefusePacked(tree, key.text, value));
    result.other_entries.emplace_back(key.text);
    return base::Annotate(RefuseUnknownTensor(tree, value, entries.search), fmt::format("entry {}", Quoted(key.text)));
  }
  absl::StatusOr<TensorInfo> tensor =
      is_array ? RebuildArray(tree, value, entries.storages) : entries.rebuilder.Rebuild(value);
  if (!tensor.ok()) {
    return base::Annotate(OfSharding(tree, tensor.status()), fmt::format("tensor {}", Quoted(key.text)));
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
                              "key {} is looked for below {} dicts, which is as deep as is looked; save the dict "
                              "itself in a file",
                              Quoted(key), limits::kMaxDictKeyParts);
    }
    const PickleNode& dict = tree[at];
    if (dict.kind != PickleKind::kDict) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "holds a {} where key {} is looked for; remove that part from state_dict.key",
                              Name(dict.kind), Quoted(key));
    }
    if (Lookup(tree, dict, key, at) != nullptr) return at;
    const size_t dot = key.find('.');
    if (dot == std::string_view::npos || Lookup(tree, dict, key.substr(0, dot), at) == nullptr) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "has no key {}; name another with state_dict.key. Its keys: {}", Quoted(key),
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
  outline.objects = HeldObjects(tree, root);
  outline.tensors = TensorCounts(tree, Counted::kTensors).Of(tree.root);
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
  Entries entries{TensorRebuilder(tree, storages), storages, TensorSearch(tree), {}};
  absl::Status status;
  ForEachEntry(dict, [&](PickleRef key, PickleRef value) {
    if (status.ok()) status = AddEntry(tree, key, value, entries, result);
  });
  FERRY_RETURN_IF_ERROR(status);
  for (const ForeignGlobal& name : tree.foreign) result.stepped_over.push_back(DottedName(name.module, name.name));
  result.storages = storages.storages();
  return result;
}

}  // namespace torchferry::checkpoint
