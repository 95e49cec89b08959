#include "server/plan/key_names.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <unordered_map>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/plan/key_paths.h"

namespace torchferry::plan {
namespace {

using Parts = std::vector<std::string_view>;

// Names that only wrappers give.
constexpr std::string_view kWrappers[] = {
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
};
constexpr std::string_view kParallel = "module";      // DataParallel, DistributedDataParallel
constexpr std::string_view kLightning = "model";      // what LightningModules call the network
constexpr std::string_view kAveraged = "n_averaged";  // torch.optim.swa_utils.AveragedModel

Parts Split(std::string_view key) {
  Parts parts;
  while (true) {
    const size_t dot = key.find('.');
    parts.push_back(key.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    key.remove_prefix(dot + 1);
  }
}

std::string Join(const Parts& parts) { return fmt::format("{}", fmt::join(parts, ".")); }

// Which parts to take away: the wrappers, and those names where nothing else has their place.
struct Rule {
  std::vector<std::string_view> anywhere;    // wherever they are
  std::vector<std::string_view> only_child;  // where all keys with the same beginning go through it
  std::vector<std::string_view> outermost;   // the first part, when it is that of all keys
};

class Renaming {
 public:
  explicit Renaming(std::span<const std::string> keys) {
    for (const std::string& key : keys) keys_.push_back(Split(key));
  }

  KeyNames Apply(const Rule& rule) const {
    std::vector<Parts> names = keys_;
    Counts counts;
    for (Parts& parts : names) RemoveAnywhere(rule.anywhere, parts, counts);
    for (const std::string_view name : rule.only_child) RemoveOnlyChild(name, names, counts);
    for (const std::string_view name : rule.outermost) RemoveOutermost(name, names, counts);
    KeyNames result;
    for (const auto& [name, count] : counts) {
      result.removed.push_back(name + ".");
      result.decisions.push_back(fmt::format("prefix \"{}.\" removed from {} of {} keys", name, count, names.size()));
    }
    for (const Parts& parts : names) {
      const bool is_counter = IsAveragedCounter(parts) && counts.contains(kParallel);
      result.names.push_back(is_counter ? "" : Join(parts));
      if (!is_counter) continue;
      result.decisions.push_back("\"n_averaged\", the counter of an AveragedModel, left out");
    }
    return result;
  }

 private:
  using Counts = std::map<std::string, size_t, std::less<>>;

  static void RemoveAnywhere(const std::vector<std::string_view>& wrappers, Parts& parts, Counts& counts) {
    for (const std::string_view wrapper : wrappers) {
      // The last part is a tensor.
      const auto removed = std::remove(parts.begin(), parts.end() - 1, wrapper);
      if (removed == parts.end() - 1) continue;
      parts.erase(removed, parts.end() - 1);
      ++counts[std::string(wrapper)];
    }
  }

  static bool IsAveragedCounter(const Parts& parts) { return parts.size() == 1 && parts[0] == kAveraged; }

  static void RemoveOnlyChild(std::string_view name, std::vector<Parts>& keys, Counts& counts) {
    KeyPaths paths;
    std::vector<bool> is_only = {true};  // by the number of what comes before the part
    for (const Parts& parts : keys) {
      if (IsAveragedCounter(parts)) continue;
      size_t before = KeyPaths::kRoot;
      for (const std::string_view part : parts) {
        is_only[before] = is_only[before] && part == name;
        before = paths.Below(before, part);
        is_only.resize(paths.End(), true);
      }
    }
    for (Parts& parts : keys) {
      if (IsAveragedCounter(parts)) continue;
      Parts kept;
      size_t before = KeyPaths::kRoot;
      for (size_t i = 0; i < parts.size(); ++i) {
        const bool is_wrapper = i + 1 < parts.size() && parts[i] == name && is_only[before];
        if (!is_wrapper) kept.push_back(parts[i]);
        before = paths.Below(before, parts[i]);
      }
      if (kept.size() == parts.size()) continue;
      ++counts[std::string(name)];
      parts = std::move(kept);
    }
  }

  static void RemoveOutermost(std::string_view name, std::vector<Parts>& keys, Counts& counts) {
    const bool is_everywhere =
        std::ranges::all_of(keys, [&](const Parts& parts) { return parts.size() > 1 && parts[0] == name; });
    if (!is_everywhere || keys.empty()) return;
    for (Parts& parts : keys) parts.erase(parts.begin());
    counts[std::string(name)] += keys.size();
  }

  std::vector<Parts> keys_;
};

size_t CountKnown(const KeyNames& names, const std::set<std::string, std::less<>>& known) {
  return std::ranges::count_if(names.names, [&](const std::string& name) { return known.contains(name); });
}

// From doing nothing to doing most; of those that find most names, the first.
KeyNames BestMatch(const Renaming& renaming, const std::set<std::string, std::less<>>& known) {
  const std::vector<std::string_view> wrappers(std::begin(kWrappers), std::end(kWrappers));
  const Rule rules[] = {
      {},
      {wrappers, {}, {}},
      {wrappers, {kParallel}, {}},
      {wrappers, {}, {kLightning}},
      {wrappers, {kParallel}, {kLightning}},
      {wrappers, {kParallel}, {"net"}},
  };
  KeyNames best = renaming.Apply(rules[0]);
  size_t most = CountKnown(best, known);
  for (const Rule& rule : rules) {
    KeyNames names = renaming.Apply(rule);
    const size_t count = CountKnown(names, known);
    if (count <= most) continue;
    most = count;
    best = std::move(names);
  }
  return best;
}

Rule UsualRule(bool is_lightning, const std::function<bool(std::string_view)>& mentions) {
  const auto is_free = [&](std::string_view name) { return !mentions || !mentions(name); };
  Rule rule;
  std::ranges::copy_if(kWrappers, std::back_inserter(rule.anywhere), is_free);
  if (is_free(kParallel)) rule.only_child.push_back(kParallel);
  // A forward.py that never says `model` cannot mean modules below it.
  if (is_free(kLightning) && (is_lightning || mentions)) rule.outermost.push_back(kLightning);
  return rule;
}

absl::StatusOr<KeyNames> StripPrefix(std::span<const std::string> keys, const std::string& prefix) {
  KeyNames result{{keys.begin(), keys.end()}, {}, {}};
  if (prefix.empty()) return result;
  size_t count = 0;
  for (std::string& name : result.names) {
    if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
    name.erase(0, prefix.size());
    ++count;
  }
  if (count == 0 && !keys.empty()) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "no key begins with {}, as state_dict.strip_prefix says; remove that from config.pbtxt. The "
        "keys are {}",
        checkpoint::Quoted(prefix), checkpoint::Listed(keys, 5));
  }
  result.removed.push_back(prefix);
  result.decisions.push_back(
      fmt::format("prefix {} removed from {} of {} keys, as "
                  "state_dict.strip_prefix says",
                  checkpoint::Quoted(prefix), count, keys.size()));
  return result;
}

absl::Status CheckCollisions(std::span<const std::string> keys, const KeyNames& names) {
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (names.names[i].empty()) continue;
    const auto [at, is_new] = seen.try_emplace(names.names[i], i);
    if (is_new) continue;
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "keys {} and {} would both be {} without the prefix {}. Name the prefix to strip with torchferry {{ state_dict "
        "{{ strip_prefix: \"…\" }} }} (\"\" strips none), or save the state_dict of the module inside",
        checkpoint::Quoted(keys[at->second]), checkpoint::Quoted(keys[i]), checkpoint::Quoted(names.names[i]),
        checkpoint::Listed(names.removed));
  }
  return absl::OkStatus();
}

// What follows takes a view for each part, and copies names.
absl::Status CheckSizes(std::span<const std::string> keys) {
  size_t parts_of_all = 0;
  for (const std::string& key : keys) {
    if (key.size() > limits::kMaxKeyBytes) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "key {} has {} bytes; at most {} are a tensor's name",
                              checkpoint::Quoted(key), key.size(), limits::kMaxKeyBytes);
    }
    const auto parts = static_cast<size_t>(std::ranges::count(key, '.')) + 1;
    if (parts > limits::kMaxKeyParts) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "key {} has {} parts between dots; modules nest at most {} deep", checkpoint::Quoted(key),
                              parts, limits::kMaxKeyParts);
    }
    parts_of_all += parts;
  }
  if (parts_of_all <= limits::kMaxPartsOfKeys) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the {} keys have {} parts between dots; at most {} are read. Stack tensors of modules that "
                          "are alike",
                          keys.size(), parts_of_all, limits::kMaxPartsOfKeys);
}

// FSDP keeps all parameters of a module in one, cut into a piece for each rank.
absl::Status RefuseFlatParameters(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    const std::string_view last = std::string_view(key).substr(key.rfind('.') + 1);
    if (!last.starts_with("_flat_param") && !last.starts_with("flat_param")) continue;
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "key {} is one of FSDP's flat parameters, which hold a rank's piece of "
                            "several tensors; save the whole tensors: FSDP.set_state_dict_type(model, "
                            "StateDictType.FULL_STATE_DICT) before model.state_dict()",
                            checkpoint::Quoted(key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<KeyNames> PlanKeyNames(std::span<const std::string> keys, const std::optional<std::string>& strip_prefix,
                                      bool is_lightning, const ArchitectureNames& architecture) {
  FERRY_RETURN_IF_ERROR(CheckSizes(keys));
  FERRY_RETURN_IF_ERROR(RefuseFlatParameters(keys));
  KeyNames names;
  if (strip_prefix.has_value()) {
    FERRY_ASSIGN_OR_RETURN(names, StripPrefix(keys, *strip_prefix));
  } else if (architecture.tensors.has_value()) {
    names = BestMatch(Renaming(keys), *architecture.tensors);
  } else {
    names = Renaming(keys).Apply(UsualRule(is_lightning, architecture.mentions));
  }
  FERRY_RETURN_IF_ERROR(CheckCollisions(keys, names));
  return names;
}

bool MentionsAttribute(std::string_view source, std::string_view name) {
  const auto is_word = [&](size_t at) {
    return at < source.size() && (std::isalnum(static_cast<unsigned char>(source[at])) != 0 || source[at] == '_');
  };
  for (size_t at = source.find(name); at != std::string_view::npos; at = source.find(name, at + 1)) {
    if (at == 0 || is_word(at + name.size())) continue;
    const char before = source[at - 1];
    if (before == '.' || before == '"' || before == '\'') return true;
  }
  return false;
}

}  // namespace torchferry::plan
