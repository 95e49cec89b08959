#include "server/plan/state_dict_key.h"

#include <algorithm>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

constexpr std::string_view kUsualNames[] = {
    "state_dict", "model_state_dict", "model_state", "model", "net", "module", "ema",
};

// Each part of "ema.state_dict" is one of the names.
bool IsUsual(std::string_view key) {
  while (true) {
    const size_t dot = key.find('.');
    if (std::ranges::find(kUsualNames, key.substr(0, dot)) == std::end(kUsualNames)) return false;
    if (dot == std::string_view::npos) return true;
    key.remove_prefix(dot + 1);
  }
}

std::string Choices(const std::vector<checkpoint::NestedDict>& dicts) {
  std::vector<std::string> texts;
  for (const checkpoint::NestedDict& dict : dicts) {
    texts.push_back(
        fmt::format("{} ({} tensor{})", checkpoint::Quoted(dict.key), dict.tensors, dict.tensors == 1 ? "" : "s"));
  }
  return checkpoint::Listed(texts);
}

}  // namespace

absl::StatusOr<std::string> ChooseStateDictKey(const checkpoint::CheckpointOutline& outline, std::string_view asked) {
  if (!asked.empty()) return std::string(asked);
  // Without dicts of tensors the reader says best what there is instead.
  if (outline.is_flat || outline.dicts.empty()) return "";
  std::vector<checkpoint::NestedDict> usual;
  std::ranges::copy_if(outline.dicts, std::back_inserter(usual),
                       [](const checkpoint::NestedDict& dict) { return IsUsual(dict.key); });
  if (outline.dicts.size() == 1) return outline.dicts[0].key;
  if (usual.size() == 1) return usual[0].key;
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is a training checkpoint with several dicts of tensors: {}; say which one is "
                          "the model with torchferry {{ state_dict {{ key: \"…\" }} }} in config.pbtxt",
                          Choices(outline.dicts));
}

}  // namespace torchferry::plan
