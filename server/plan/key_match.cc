#include "server/plan/key_match.h"

#include <algorithm>
#include <map>
#include <set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

constexpr size_t kShown = 20;

struct Match {
  std::vector<std::string> missing;
  std::vector<std::string> kept;
  std::vector<std::string> unexpected;
  std::vector<std::string> cast;
  std::vector<std::string> reshaped;
};

Match Compare(const std::vector<ArchitectureTensor>& architecture, const std::vector<StateDictTensor>& state_dict) {
  std::map<std::string_view, const StateDictTensor*> by_name;
  for (const StateDictTensor& tensor : state_dict) by_name.emplace(tensor.name, &tensor);
  Match match;
  std::set<std::string_view> known;
  for (const ArchitectureTensor& wanted : architecture) {
    known.insert(wanted.name);
    const auto found = by_name.find(wanted.name);
    if (found == by_name.end()) {
      (wanted.is_parameter ? match.missing : match.kept).push_back(wanted.name);
      continue;
    }
    const StateDictTensor& tensor = *found->second;
    if (tensor.shape != wanted.shape) {
      match.reshaped.push_back(fmt::format("{} has shape {}; the architecture expects {}",
                                           checkpoint::Quoted(wanted.name), tensor::ToString(tensor.shape),
                                           tensor::ToString(wanted.shape)));
    }
    if (tensor.dtype != wanted.dtype) {
      match.cast.push_back(fmt::format("{} ({} to {})", wanted.name, Name(tensor.dtype), Name(wanted.dtype)));
    }
  }
  for (const StateDictTensor& tensor : state_dict) {
    if (!known.contains(tensor.name)) match.unexpected.push_back(tensor.name);
  }
  return match;
}

std::string ListedOrNone(const std::vector<std::string>& names) {
  return names.empty() ? "none" : checkpoint::Listed(names, kShown);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MatchKeys(const std::vector<ArchitectureTensor>& architecture,
                                                   const std::vector<StateDictTensor>& state_dict, bool strict) {
  const Match match = Compare(architecture, state_dict);
  if (strict && (!match.missing.empty() || !match.unexpected.empty())) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "its keys are not the architecture's. Missing: {}. Unexpected: {}. Save both "
                            "from the same model, or set torchferry {{ state_dict {{ strict: false }} }} "
                            "in config.pbtxt to go on without",
                            ListedOrNone(match.missing), ListedOrNone(match.unexpected));
  }
  if (!match.reshaped.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{}", fmt::join(match.reshaped.begin(),
                                    match.reshaped.begin() + std::min<size_t>(match.reshaped.size(), kShown), "; ")));
  }
  std::vector<std::string> decisions;
  const auto decide = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) decisions.push_back(fmt::format("{}: {}", what, checkpoint::Listed(names, kShown)));
  };
  decide("parameters that the state_dict lacks keep the architecture's values", match.missing);
  decide("buffers that the state_dict lacks keep the architecture's values", match.kept);
  decide("keys that the architecture does not have are ignored", match.unexpected);
  decide("cast to the architecture's dtype", match.cast);
  return decisions;
}

}  // namespace torchferry::plan
