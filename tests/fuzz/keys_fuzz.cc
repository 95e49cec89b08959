// Lines of text as the keys of a state_dict: names stay one to one, and what modules can be made of has no name twice.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/plan/key_match.h"
#include "server/plan/key_names.h"
#include "server/plan/key_tree.h"
#include "server/plan/state_dict_key.h"

namespace {

void Require(bool is_so) {
  if (!is_so) std::abort();
}

std::vector<std::string> Lines(std::string_view text) {
  std::set<std::string, std::less<>> lines;  // as a file's keys, each is there once
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  lines.erase("");
  return {lines.begin(), lines.end()};
}

void CheckNames(const std::vector<std::string>& keys, const std::vector<std::string>& names) {
  Require(names.size() == keys.size());
  std::set<std::string_view> seen;
  for (const std::string& name : names) Require(name.empty() || seen.insert(name).second);
  (void)torchferry::plan::CheckKeyTree(names);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<std::string> keys = Lines({reinterpret_cast<const char*>(data), size});
  torchferry::plan::ArchitectureNames known;
  known.tensors.emplace(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2));
  torchferry::plan::ArchitectureNames read;
  read.mentions = [](std::string_view name) { return name.size() % 2 == 0; };
  for (const torchferry::plan::ArchitectureNames& architecture : {torchferry::plan::ArchitectureNames(), known, read}) {
    for (const std::optional<std::string>& prefix :
         {std::optional<std::string>(), std::optional<std::string>(""), std::optional<std::string>("module.")}) {
      const auto planned = torchferry::plan::PlanKeyNames(keys, prefix, size % 2 == 0, architecture);
      if (planned.ok()) CheckNames(keys, planned->names);
    }
  }
  std::vector<torchferry::plan::ArchitectureTensor> wanted;
  std::vector<torchferry::plan::StateDictTensor> given;
  torchferry::checkpoint::CheckpointOutline outline;
  for (const std::string& key : keys) {
    if (key.size() % 3 != 0) wanted.push_back({key, {}, {}, key.size() % 2 == 0});
    if (key.size() % 4 != 0) given.push_back({key, {}, {static_cast<int64_t>(key.size() % 5)}});
    outline.dicts.push_back({key, key.size()});
  }
  for (const bool strict : {false, true}) (void)torchferry::plan::MatchKeys(wanted, given, strict);
  (void)torchferry::plan::ChooseStateDictKey(outline, "");
  return 0;
}
