// Keys that a state_dict may lack, or have under other names, as PyTorch itself lets it. Pure.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/plan/key_match.h"

namespace torchferry::plan {

// Leaves out of `wanted` what `given` lacks and is one tensor with another that it has: filling that fills both.
// safetensors files have only one of them. `tensors`: the architecture's. A sentence where there are some, else empty.
std::string DropTied(std::span<const checkpoint::TensorInfo* const> tensors, const std::set<std::string_view>& given,
                     std::vector<ArchitectureTensor>& wanted);

// Weight norm has two forms, "w_g" and "w_v" beside "parametrizations.w.original0" and "…original1": `names` get those
// of the architecture, as torch.nn.utils.parametrizations.weight_norm does it. A sentence where there are some, else
// empty.
std::string NameWeightNorm(const std::set<std::string, std::less<>>& architecture, std::vector<std::string>& names);

}  // namespace torchferry::plan
