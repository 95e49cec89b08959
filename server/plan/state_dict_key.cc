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

// A whole model beside a tensor or two is what the file is about: its weights would be left out.
absl::Status CheckObjects(const checkpoint::CheckpointOutline& outline) {
  size_t most = outline.tensors;
  for (const checkpoint::NestedDict& dict : outline.dicts) most = std::max(most, dict.tensors);
  for (const checkpoint::HeldObject& object : outline.objects) {
    // That of an optimizer has the weights' moments as well.
    if (object.tensors <= most || object.made_by.starts_with("torch.optim")) continue;
    std::string beside;
    if (!outline.dicts.empty()) {
      beside = fmt::format("; to serve what is beside it, torchferry {{ state_dict {{ key: {} }} }} in config.pbtxt",
                           checkpoint::Quoted(outline.dicts.front().key));
    }
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "holds under {} a pickled object of {} with {} tensors, more than any dict has. Its weights cannot be taken "
        "without running its code: in Python, where that can be imported, torch.save(checkpoint[{}].state_dict(), "
        "path){}",
        checkpoint::Quoted(object.key), object.made_by, object.tensors, checkpoint::Quoted(object.key), beside);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ChooseStateDictKey(const checkpoint::CheckpointOutline& outline, std::string_view asked) {
  if (!asked.empty()) return std::string(asked);
  // Without dicts of tensors the reader says best what there is instead.
  if (!outline.is_flat && outline.dicts.empty()) return "";
  FERRY_RETURN_IF_ERROR(CheckObjects(outline));
  if (outline.is_flat) return "";
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
