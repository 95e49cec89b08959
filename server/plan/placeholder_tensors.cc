#include "server/plan/placeholder_tensors.h"

#include <algorithm>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

constexpr size_t kShown = 3;

bool IsOfDeepSpeed(const std::vector<std::string>& keys) {
  return std::ranges::any_of(keys, [](const std::string& key) { return key == "ds_version" || key == "param_shapes"; });
}

}  // namespace

absl::Status CheckForPlaceholders(const std::vector<checkpoint::TensorInfo>& tensors,
                                  const std::vector<std::string>& outermost) {
  std::vector<std::string> empty;
  for (const checkpoint::TensorInfo& tensor : tensors) {
    if (tensor.shape == tensor::Shape{0}) empty.push_back(checkpoint::Quoted(tensor.key));
  }
  const bool are_most = 2 * empty.size() > tensors.size();
  if (empty.empty() || (!are_most && !IsOfDeepSpeed(outermost))) return absl::OkStatus();
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "{} of its {} tensors have shape [0], {}: they stand for weights that DeepSpeed's ZeRO-3 has split among its "
      "processes, in *_optim_states.pt. Run zero_to_fp32.py, which DeepSpeed puts beside the checkpoint, and serve "
      "what "
      "it writes; or save with stage3_gather_16bit_weights_on_model_save",
      empty.size(), tensors.size(), checkpoint::Listed(empty, kShown));
}

}  // namespace torchferry::plan
