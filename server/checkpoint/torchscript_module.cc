#include "server/checkpoint/torchscript_module.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using Names = std::unordered_set<std::string_view>;

// The quoted words of a list: `["weight", "bias", ]`.
Names QuotedWords(std::string_view list) {
  Names words;
  while (true) {
    const size_t begin = list.find('"');
    if (begin == std::string_view::npos) return words;
    const size_t end = list.find('"', begin + 1);
    if (end == std::string_view::npos) return words;
    words.insert(list.substr(begin + 1, end - begin - 1));
    list.remove_prefix(end + 1);
  }
}

// What each class says its parameters are: `__parameters__ = [...]` behind `class NAME(Module):`.
class ParameterNames {
 public:
  explicit ParameterNames(const TorchScriptInfo& info) {
    for (const auto& [name, source] : ClassSources(info)) {
      const size_t list = source.find("__parameters__ = [");
      if (list == std::string_view::npos) continue;
      by_class_.emplace(name, QuotedWords(source.substr(list, source.find(']', list) - list)));
    }
  }

  // Whether the class `name` of `module`, "__torch__.torch.nn.modules.linear", has a parameter of that name.
  bool Has(std::string_view module, std::string_view name, std::string_view parameter) const {
    const auto found = by_class_.find(fmt::format("{}.{}", module, name));
    return found != by_class_.end() && found->second.contains(parameter);
  }

 private:
  std::unordered_map<std::string, Names> by_class_;
};

class ModuleWalk {
 public:
  ModuleWalk(const PickleTree& tree, TensorRebuilder& rebuilder, TorchScriptInfo& info)
      : tree_(tree), rebuilder_(rebuilder), info_(info), parameters_(info) {}

  absl::Status Visit(PickleRef ref, const std::string& path, size_t depth) {
    const PickleNode& object = tree_[ref];
    if (!IsModule(object) || object.state == kNoPickleRef) return absl::OkStatus();
    if (depth > limits::kMaxModuleDepth) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "has modules inside modules more than {} deep",
                              limits::kMaxModuleDepth);
    }
    const PickleNode& called = tree_[object.items[0]];
    const PickleNode& state = tree_[object.state];
    if (state.kind != PickleKind::kDict) return absl::OkStatus();  // of a __setstate__
    if (state.items.size() / 2 > limits::kMaxModuleMembers) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "has a module with {} attributes, {}; at most {} are read",
                              state.items.size() / 2, Quoted(path), limits::kMaxModuleMembers);
    }
    for (size_t i = 0; i + 1 < state.items.size(); i += 2) {
      const PickleNode& name = tree_[state.items[i]];
      if (name.kind != PickleKind::kString) continue;
      if (++attributes_ > limits::kMaxPickleValues) {
        return base::MakeStatus(absl::StatusCode::kDataLoss, "has more than {} attributes in its modules",
                                limits::kMaxPickleValues);
      }
      if (path.size() + 1 + name.text.size() > limits::kMaxKeyBytes) {
        return base::MakeStatus(absl::StatusCode::kDataLoss,
                                "has an attribute whose path, {} below {}, is longer than {} bytes", Quoted(name.text),
                                Quoted(path), limits::kMaxKeyBytes);
      }
      const std::string inner = path.empty() ? std::string(name.text) : fmt::format("{}.{}", path, name.text);
      FERRY_RETURN_IF_ERROR(VisitAttribute(called, name.text, state.items[i + 1], inner, depth));
    }
    return absl::OkStatus();
  }

 private:
  bool IsModule(const PickleNode& node) const {
    return node.kind == PickleKind::kObject && !node.items.empty() &&
           tree_[node.items[0]].kind == PickleKind::kGlobal && tree_[node.items[0]].role == GlobalRole::kClass;
  }

  absl::Status VisitAttribute(const PickleNode& owner, std::string_view name, PickleRef value, const std::string& path,
                              size_t depth) {
    if (!IsTensor(tree_, value)) return Visit(value, path, depth + 1);
    absl::StatusOr<TensorInfo> tensor = rebuilder_.Rebuild(value);
    if (absl::IsInvalidArgument(tensor.status())) return absl::OkStatus();
    FERRY_RETURN_IF_ERROR(tensor.status());
    tensor->key = path;
    info_.tensors.push_back({*std::move(tensor), parameters_.Has(owner.text, owner.name, name)});
    return absl::OkStatus();
  }

  const PickleTree& tree_;
  TensorRebuilder& rebuilder_;
  TorchScriptInfo& info_;
  const ParameterNames parameters_;
  size_t attributes_ = 0;
};

}  // namespace

absl::Status ListModuleTensors(const PickleTree& tree, TensorRebuilder& rebuilder, TorchScriptInfo& info) {
  const PickleNode& root = tree[tree.root];
  if (root.kind == PickleKind::kObject && !root.items.empty()) {
    const PickleNode& called = tree[root.items[0]];
    info.module_class = fmt::format("{}.{}", called.text, called.name);
  }
  return ModuleWalk(tree, rebuilder, info).Visit(tree.root, "", 0);
}

}  // namespace torchferry::checkpoint
