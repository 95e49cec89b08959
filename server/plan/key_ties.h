// Keys that a state_dict may lack or have under other names, by PyTorch's own rules. Pure.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/plan/key_match.h"

namespace torchferry::plan {

// Removes from `wanted` each tensor that `given` lacks and that shares all its memory with one that `given` has.
// Filling the one fills both, and safetensors files have only one of them. `tensors` are the architecture's. Returns a
// sentence about the removed tensors, or an empty string.
std::string DropTied(std::span<const checkpoint::TensorInfo* const> tensors, const std::set<std::string_view>& given,
                     std::vector<ArchitectureTensor>& wanted);

// Weight norm has two forms: "w_g" and "w_v", or "parametrizations.w.original0" and "…original1". Renames those in
// `names` to the form of the architecture, as torch.nn.utils.parametrizations.weight_norm does. Returns a sentence
// about the renamed keys, or an empty string.
std::string NameWeightNorm(const std::set<std::string, std::less<>>& architecture, std::vector<std::string>& names);

}  // namespace torchferry::plan
