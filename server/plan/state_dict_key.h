// Finds the dict of a training checkpoint that is the model's state_dict. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::plan {

// Returns `asked` (state_dict.key of the configuration) unless it is empty. Else it returns the first of these keys
// that exists. An outermost dict that is a state_dict has the key "". Next is the only dict that holds tensors. Last is
// the only dict with a name that training scripts use (state_dict, model_state_dict, model_state, model, net, module,
// ema).
// Without any dict of tensors the result is "", and reading then fails. INVALID_ARGUMENT: several dicts are possible
// (lists them with their sizes), or an object holds more tensors than any dict.
absl::StatusOr<std::string> ChooseStateDictKey(const checkpoint::CheckpointOutline& outline, std::string_view asked);

}  // namespace torchferry::plan
