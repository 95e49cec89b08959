#include "server/checkpoint/torchscript_module.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

namespace torchferry {
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
  explicit ParameterNames(const TorchScriptInfo& info) : info_(info) {}

  // Of the class `name` in `module`, "__torch__.torch.nn.modules.linear".
  const Names& Of(std::string_view module, std::string_view name) {
    const auto [at, is_new] = known_.try_emplace(fmt::format("{}.{}", module, name));
    if (is_new) at->second = Find(module, name);
    return at->second;
  }

 private:
  Names Find(std::string_view module, std::string_view name) const {
    std::string path = fmt::format("code/{}.py", module);
    std::replace(path.begin() + 5, path.end() - 3, '.', '/');
    const auto file = std::ranges::find(info_.code_files, path);
    if (file == info_.code_files.end()) return {};
    const std::string_view text = info_.code_texts[file - info_.code_files.begin()];
    const size_t begin = text.find(fmt::format("class {}(", name));
    if (begin == std::string_view::npos) return {};
    const size_t end = std::min(text.find("\nclass ", begin), text.size());
    const std::string_view body = text.substr(begin, end - begin);
    const size_t list = body.find("__parameters__ = [");
    if (list == std::string_view::npos) return {};
    return QuotedWords(body.substr(list, body.find(']', list) - list));
  }

  const TorchScriptInfo& info_;
  std::unordered_map<std::string, Names> known_;
};

class ModuleWalk {
 public:
  ModuleWalk(const PickleTree& tree, TensorRebuilder& rebuilder, TorchScriptInfo& info)
      : tree_(tree), rebuilder_(rebuilder), info_(info), parameters_(info) {}

  absl::Status Visit(PickleRef ref, const std::string& path, size_t depth) {
    const PickleNode& object = tree_[ref];
    if (!IsModule(object) || object.state == kNoPickleRef) return absl::OkStatus();
    if (depth > limits::kMaxModuleDepth) {
      return MakeStatus(absl::StatusCode::kDataLoss,
                        "has modules inside modules more than {} deep", limits::kMaxModuleDepth);
    }
    const PickleNode& called = tree_[object.items[0]];
    const PickleNode& state = tree_[object.state];
    if (state.kind != PickleKind::kDict) return absl::OkStatus();  // of a __setstate__
    for (size_t i = 0; i + 1 < state.items.size(); i += 2) {
      const PickleNode& name = tree_[state.items[i]];
      if (name.kind != PickleKind::kString) continue;
      if (++attributes_ > limits::kMaxPickleValues) {
        return MakeStatus(absl::StatusCode::kDataLoss, "has more than {} attributes in its modules",
                          limits::kMaxPickleValues);
      }
      const std::string inner =
          path.empty() ? std::string(name.text) : fmt::format("{}.{}", path, name.text);
      TF_RETURN_IF_ERROR(VisitAttribute(called, name.text, state.items[i + 1], inner, depth));
    }
    return absl::OkStatus();
  }

 private:
  bool IsModule(const PickleNode& node) const {
    return node.kind == PickleKind::kObject && !node.items.empty() &&
           tree_[node.items[0]].kind == PickleKind::kGlobal &&
           tree_[node.items[0]].role == GlobalRole::kClass;
  }

  absl::Status VisitAttribute(const PickleNode& owner, std::string_view name, PickleRef value,
                              const std::string& path, size_t depth) {
    if (!IsTensor(tree_, value)) return Visit(value, path, depth + 1);
    absl::StatusOr<TensorInfo> tensor = rebuilder_.Rebuild(value);
    if (absl::IsInvalidArgument(tensor.status())) return absl::OkStatus();
    TF_RETURN_IF_ERROR(tensor.status());
    tensor->key = path;
    info_.tensors.push_back(
        {*std::move(tensor), parameters_.Of(owner.text, owner.name).contains(name)});
    return absl::OkStatus();
  }

  const PickleTree& tree_;
  TensorRebuilder& rebuilder_;
  TorchScriptInfo& info_;
  ParameterNames parameters_;
  size_t attributes_ = 0;
};

}  // namespace

absl::Status ListModuleTensors(const PickleTree& tree, TensorRebuilder& rebuilder,
                               TorchScriptInfo& info) {
  const PickleNode& root = tree[tree.root];
  if (root.kind == PickleKind::kObject && !root.items.empty()) {
    const PickleNode& called = tree[root.items[0]];
    info.module_class = fmt::format("{}.{}", called.text, called.name);
  }
  return ModuleWalk(tree, rebuilder, info).Visit(tree.root, "", 0);
}

}  // namespace torchferry
