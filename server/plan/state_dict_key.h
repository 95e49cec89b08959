// Which dict of a training checkpoint is the model's state_dict. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::plan {

// `asked`: state_dict.key of the configuration, which wins; empty: found by itself. Then it is the
// outermost dict where that is a state_dict, else the only dict that holds tensors, else the only
// one that has one of the names that training scripts use (state_dict, model_state_dict,
// model_state, model, net, module, ema). Empty for the outermost.
// INVALID_ARGUMENT: several that might be, listed with their sizes, or none.
absl::StatusOr<std::string> ChooseStateDictKey(const checkpoint::CheckpointOutline& outline, std::string_view asked);

}  // namespace torchferry::plan
