#include "server/plan/layer_match.h"

#include <algorithm>
#include <optional>
#include <set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/constructor.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_parser.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

std::string Below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

std::optional<std::vector<int64_t>> ShapeOf(const PlanValue& tensor) {
  if (tensor.items == nullptr) return std::nullopt;
  std::vector<int64_t> shape;
  for (const PlanValue& size : *tensor.items) shape.push_back(size.integer);
  return shape;
}

// Checkpoints from before PyTorch 0.4.1 lack it, and nothing reads it.
bool IsOptional(const ModuleNode& layer, std::string_view name) {
  return layer.IsLayer() && name == "num_batches_tracked";
}

bool IsWanted(const PlanValue& value) { return value.Is(ValueKind::kTensor) && value.text != "tensor"; }

// Calls `visit` with each key directly below `path`, and its last part.
template <typename Visit>
void ForKeysOf(const KeyShapes& keys, const std::string& path, const Visit& visit) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (auto it = keys.lower_bound(prefix); it != keys.end() && it->first.starts_with(prefix);) {
    const size_t dot = it->first.find('.', prefix.size());
    if (dot == std::string::npos) {
      visit(it->first, std::string_view(it->first).substr(prefix.size()));
      ++it;
    } else {
      it = keys.lower_bound(it->first.substr(0, dot) + "/");  // behind all keys of this child: '/' follows '.'
    }
  }
}

// Whether `layer` and what it holds take exactly the keys below `path`.
bool Fits(const KeyShapes& keys, const std::string& path, const ModuleNode& layer, size_t depth = 0) {
  if (depth > layer_limits::kMaxModuleDepth) return false;
  for (const auto& [name, value] : layer.members) {
    if (value.Is(ValueKind::kModule) && !Fits(keys, Below(path, name), *value.module, depth + 1)) return false;
    if (!IsWanted(value)) continue;
    const auto key = keys.find(Below(path, name));
    if (key == keys.end() && IsOptional(layer, name)) continue;
    if (key == keys.end()) return false;
    const auto shape = ShapeOf(value);
    if (shape.has_value() && *shape != key->second) return false;
  }
  bool has_other = false;
  ForKeysOf(keys, path, [&](const std::string&, std::string_view name) {
    const auto member = layer.members.find(std::string(name));
    has_other |= member == layer.members.end() || !IsWanted(member->second);
  });
  return !has_other;
}

// Other values of an argument that the tensors below a path suggest.
class Candidates {
 public:
  Candidates(const KeyShapes& keys, const std::string& path) {
    const std::string prefix = path + ".";
    for (auto it = keys.lower_bound(prefix); it != keys.end() && it->first.starts_with(prefix); ++it) {
      for (const int64_t size : it->second) AddSize(size);
      if (it->second.size() > 2) AddList({it->second.begin() + 2, it->second.end()});
      if (it->second.size() > 1) AddList(it->second);
      if (sizes_.size() > kMaxSizes) break;
    }
    for (int64_t count = 1; count <= 4; ++count) sizes_.insert(count);
  }

  std::vector<PlanValue> For(const PlanValue& value) const {
    std::vector<PlanValue> found;
    if (value.Is(ValueKind::kBool)) {
      found.push_back(BoolValue(value.integer == 0));
    } else if (value.Is(ValueKind::kInt) || value.Is(ValueKind::kNone) || value.IsList()) {
      for (const int64_t size : sizes_) {
        if (!value.Is(ValueKind::kInt) || size != value.integer) found.push_back(IntValue(size));
      }
      for (const auto& list : lists_) {
        PlanValue tuple;
        tuple.kind = ValueKind::kTuple;
        tuple.items = const_cast<std::vector<PlanValue>*>(&list);  // nobody changes it
        found.push_back(tuple);
      }
    }
    return found;
  }

 private:
  static constexpr size_t kMaxSizes = 24;

  void AddSize(int64_t size) {
    sizes_.insert(size);
    for (const int64_t gates : {3, 4}) {
      if (size % gates == 0) sizes_.insert(size / gates);
    }
  }

  void AddList(const std::vector<int64_t>& sizes) {
    if (lists_.size() >= 4 || std::ranges::adjacent_find(sizes, std::not_equal_to<>()) == sizes.end()) return;
    std::vector<PlanValue> list;
    for (const int64_t size : sizes) list.push_back(IntValue(size));
    lists_.push_back(std::move(list));
  }

  std::set<int64_t> sizes_;
  std::vector<std::vector<PlanValue>> lists_;
};

using Arguments = std::map<std::string, PlanValue, std::less<>>;

bool IsOfNoMatter(std::string_view name) { return name == "device" || name == "dtype" || name == "inplace"; }

class Matcher {
 public:
  Matcher(const KeyShapes& keys, ModuleTree& tree) : keys_(keys), tree_(tree) {}

  absl::Status Run() {
    FERRY_RETURN_IF_ERROR(Visit("", *tree_.root, 0));
    std::vector<std::string> left;
    for (const auto& [key, shape] : keys_) {
      if (!taken_.contains(key)) left.push_back(key);
    }
    if (!left.empty() && HasLayers()) {
      tree_.decisions.push_back(fmt::format("{} of {} keys belong to no layer of {}: {}; they are tensors of `self`",
                                            left.size(), keys_.size(), tree_.file->name, checkpoint::Listed(left, 6)));
    }
    return absl::OkStatus();
  }

 private:
  bool HasLayers() const { return tree_.nodes.size() > 1 || !tree_.root->types.empty(); }

  absl::Status Error(const std::string& path, const ModuleNode& layer, std::string_view message) const {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}{}{}: {}", PlaceOf(*tree_.file, layer.at),
                            path.empty() ? "self" : "self." + path, layer.spelled.empty() || path.empty() ? "" : " is ",
                            path.empty() ? "" : layer.spelled, message);
  }

  absl::Status Visit(const std::string& path, const ModuleNode& layer, size_t depth) {
    if (depth > layer_limits::kMaxModuleDepth) {
      return Error(path, layer,
                   fmt::format("modules nest more than {} deep, or hold themselves", layer_limits::kMaxModuleDepth));
    }
    FERRY_RETURN_IF_ERROR(Count(path, layer));
    for (const auto& [name, value] : layer.members) {
      if (value.Is(ValueKind::kTensor)) FERRY_RETURN_IF_ERROR(CheckTensor(path, layer, name, value));
    }
    if (layer.IsLayer() && !layer.IsContainer()) FERRY_RETURN_IF_ERROR(CheckOthers(path, layer));
    for (const std::string& name : layer.child_order) {
      FERRY_RETURN_IF_ERROR(Visit(Below(path, name), *layer.members.at(name).module, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status Count(const std::string& path, const ModuleNode& layer) {
    ++modules_;
    for (const ClassSource* type : layer.types) {
      for (const auto& [name, function] : type->functions) tokens_ += function.tokens.end - function.tokens.begin;
    }
    if (modules_ <= layer_limits::kMaxModules && tokens_ <= layer_limits::kMaxCompiledTokens) return absl::OkStatus();
    return Error(path, layer,
                 fmt::format("the model has more than {} modules, or {} words and signs in all their "
                             "methods",
                             layer_limits::kMaxModules, layer_limits::kMaxCompiledTokens));
  }

  std::string WayOut(const std::string& path, const ModuleNode& layer, std::string_view otherwise) const {
    const std::string fitting = FittingArguments(keys_, path, layer);
    return fitting.empty() ? std::string(otherwise) : "write " + fitting;
  }

  absl::Status CheckTensor(const std::string& path, const ModuleNode& layer, const std::string& name,
                           const PlanValue& value) {
    const std::string key = Below(path, name);
    const auto found = keys_.find(key);
    if (found != keys_.end()) taken_.insert(key);
    if (value.text == "tensor" || (found == keys_.end() && IsOptional(layer, name))) return absl::OkStatus();
    if (found == keys_.end() && value.text == "temporary") {
      return Error(path, layer,
                   fmt::format("the buffer {} is not persistent, so the checkpoint has no {}; remove persistent=False "
                               "and save the state_dict again, or compute it in forward",
                               checkpoint::Quoted(name), checkpoint::Quoted(key)));
    }
    if (found == keys_.end()) {
      return Error(
          path, layer,
          fmt::format("the checkpoint has no {}; {}", checkpoint::Quoted(key), WayOut(path, layer, HaveInstead(path))));
    }
    const auto shape = ShapeOf(value);
    if (!shape.has_value() || *shape == found->second) return absl::OkStatus();
    return Error(path, layer,
                 fmt::format("{} {} was expected, the checkpoint has {}; {}", name, ShownShape(*shape),
                             ShownShape(found->second),
                             WayOut(path, layer, "write the arguments that the model was trained with")));
  }

  // The nearest keys.
  std::string HaveInstead(const std::string& path) const {
    std::string prefix = path + ".";
    while (!prefix.empty()) {
      const auto first = keys_.lower_bound(prefix);
      if (first != keys_.end() && first->first.starts_with(prefix)) break;
      prefix.pop_back();
      prefix.resize(prefix.rfind('.') == std::string::npos ? 0 : prefix.rfind('.') + 1);
    }
    std::vector<std::string> some;
    for (auto it = keys_.lower_bound(prefix); it != keys_.end() && it->first.starts_with(prefix); ++it) {
      some.push_back(it->first);
      if (some.size() > 6) break;
    }
    if (some.empty()) return "it has no keys";
    return fmt::format("it has {}{}", checkpoint::Listed({some.begin(), std::min(some.end(), some.begin() + 6)}),
                       some.size() > 6 ? " and more" : "");
  }

  absl::Status CheckOthers(const std::string& path, const ModuleNode& layer) const {
    std::string other;
    ForKeysOf(keys_, path, [&](const std::string& key, std::string_view name) {
      const auto member = layer.members.find(std::string(name));
      const bool is_taken = member != layer.members.end() && member->second.Is(ValueKind::kTensor);
      if (!is_taken && other.empty()) other = key;
    });
    if (other.empty()) return absl::OkStatus();
    return Error(path, layer,
                 fmt::format("the checkpoint has {} {}, which this layer does not hold; {}", checkpoint::Quoted(other),
                             ShownShape(keys_.find(other)->second),
                             WayOut(path, layer, "write the arguments that the model was trained with")));
  }

  const KeyShapes& keys_;
  ModuleTree& tree_;
  std::set<std::string, std::less<>> taken_;
  size_t modules_ = 0;
  size_t tokens_ = 0;
};

// Tries other arguments of one layer.
class Trials {
 public:
  Trials(const KeyShapes& keys, const std::string& path, const ModuleNode& layer)
      : keys_(keys), path_(path), layer_(layer), candidates_(keys, path) {}

  std::string Find() {
    std::vector<Arguments::const_iterator> matter;  // those that change what tensors are expected
    const std::string now = TensorsOf(layer_);
    for (auto it = layer_.arguments.begin(); it != layer_.arguments.end(); ++it) {
      bool changes = false;
      for (const PlanValue& other : OthersOf(*it)) {
        const std::unique_ptr<ModuleTree> tree = With({{it->first, other}});
        if (tree == nullptr) continue;
        if (Fits(keys_, path_, *tree->root)) return Shown(it->first, other);
        changes |= TensorsOf(*tree->root) != now;
      }
      if (changes) matter.push_back(it);
    }
    for (size_t i = 0; i < matter.size(); ++i) {
      for (const PlanValue& other : OthersOf(*matter[i])) {
        for (size_t j = i + 1; j < matter.size(); ++j) {
          for (const PlanValue& another : OthersOf(*matter[j])) {
            const auto tree = With({{matter[i]->first, other}, {matter[j]->first, another}});
            if (tree == nullptr || !Fits(keys_, path_, *tree->root)) continue;
            return fmt::format("{}, {}", Shown(matter[i]->first, other), Shown(matter[j]->first, another));
          }
        }
      }
    }
    return "";
  }

 private:
  static std::string Shown(const std::string& name, const PlanValue& value) {
    return fmt::format("{}={}", name, plan::Shown(value));
  }

  std::vector<PlanValue> OthersOf(const Arguments::value_type& argument) const {
    return IsOfNoMatter(argument.first) ? std::vector<PlanValue>() : candidates_.For(argument.second);
  }

  // The tensors that `layer` expects, as a text.
  static std::string TensorsOf(const ModuleNode& layer) {
    std::string text;
    for (const auto& [name, value] : layer.members) {
      if (value.Is(ValueKind::kTensor)) text += name + ShownShape(ShapeOf(value).value_or(std::vector<int64_t>()));
      if (value.Is(ValueKind::kModule)) text += name;
    }
    return text;
  }

  // Null where the constructor refuses it, or too many were tried.
  std::unique_ptr<ModuleTree> With(const std::vector<std::pair<std::string, PlanValue>>& changed) {
    if (++trials_ > layer_limits::kMaxTrials) return nullptr;
    Arguments arguments = layer_.arguments;
    for (const auto& [name, value] : changed) arguments[name] = value;
    return ConstructAgain(layer_, arguments);
  }

  const KeyShapes& keys_;
  const std::string& path_;
  const ModuleNode& layer_;
  const Candidates candidates_;
  size_t trials_ = 0;
};

}  // namespace

std::string ShownShape(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string FittingArguments(const KeyShapes& keys, const std::string& path, const ModuleNode& layer) {
  if (!layer.IsLayer() || layer.IsContainer()) return "";
  return Trials(keys, path, layer).Find();
}

absl::Status MatchLayers(const KeyShapes& keys, ModuleTree& tree) { return Matcher(keys, tree).Run(); }

}  // namespace torchferry::plan
