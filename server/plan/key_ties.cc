#include "server/plan/key_ties.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

constexpr std::string_view kParametrizations = "parametrizations.";

bool EndsIn(std::string_view name, std::string_view end) { return name.size() > end.size() && name.ends_with(end); }

// "a.parametrizations.w.original0" of "a.w_g", "…original1" of "a.w_v".
std::optional<std::string> Parametrized(std::string_view name) {
  const bool is_g = EndsIn(name, "_g");
  if (!is_g && !EndsIn(name, "_v")) return std::nullopt;
  const std::string_view path = name.substr(0, name.size() - 2);
  const size_t begin = path.rfind('.') == std::string_view::npos ? 0 : path.rfind('.') + 1;
  return fmt::format("{}{}{}.original{}", path.substr(0, begin), kParametrizations, path.substr(begin), is_g ? 0 : 1);
}

// The reverse.
std::optional<std::string> Plain(std::string_view name) {
  const bool is_g = EndsIn(name, ".original0");
  if (!is_g && !EndsIn(name, ".original1")) return std::nullopt;
  const std::string_view path = name.substr(0, name.size() - std::string_view(".original0").size());
  const size_t at = path.rfind(kParametrizations);
  if (at == std::string_view::npos || (at > 0 && path[at - 1] != '.')) return std::nullopt;
  return fmt::format("{}{}{}", path.substr(0, at), path.substr(at + kParametrizations.size()), is_g ? "_g" : "_v");
}

}  // namespace

std::string DropTied(std::span<const checkpoint::TensorInfo* const> tensors, const std::set<std::string_view>& given,
                     std::vector<ArchitectureTensor>& wanted) {
  using View = std::tuple<size_t, int64_t, tensor::Shape, std::vector<int64_t>, tensor::DType>;
  std::map<View, std::string_view> known;
  const auto view_of = [](const checkpoint::TensorInfo& info) {
    return View(info.storage, info.storage_offset, info.shape, info.strides, info.dtype);
  };
  std::map<std::string_view, const checkpoint::TensorInfo*> by_key;
  for (const checkpoint::TensorInfo* info : tensors) {
    by_key.emplace(info->key, info);
    if (given.contains(info->key)) known.emplace(view_of(*info), info->key);
  }
  std::vector<std::string> tied;
  std::erase_if(wanted, [&](const ArchitectureTensor& tensor) {
    const auto info = by_key.find(tensor.name);
    if (given.contains(tensor.name) || info == by_key.end()) return false;
    const auto other = known.find(view_of(*info->second));
    if (other == known.end()) return false;
    tied.push_back(fmt::format("{} as {}", tensor.name, other->second));
    return true;
  });
  if (tied.empty()) return "";
  return "keys that the state_dict lacks, of tensors that are one in the architecture: " + checkpoint::Listed(tied);
}

std::string NameWeightNorm(const std::set<std::string, std::less<>>& architecture, std::vector<std::string>& names) {
  const std::set<std::string, std::less<>> given(names.begin(), names.end());
  std::vector<std::string> renamed;
  for (std::string& name : names) {
    if (name.empty() || architecture.contains(name)) continue;
    std::optional<std::string> other = Parametrized(name);
    if (!other.has_value()) other = Plain(name);
    if (!other.has_value() || !architecture.contains(*other) || given.contains(*other)) continue;
    renamed.push_back(name);
    name = *std::move(other);
  }
  if (renamed.empty()) return "";
  return "weight norm's keys are named as the architecture names them: " + checkpoint::Listed(renamed);
}

}  // namespace torchferry::plan
