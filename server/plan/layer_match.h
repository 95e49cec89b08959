// Holds what the constructors of a forward.py make against the tensors of a state_dict. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/plan/module_tree.h"

namespace torchferry::plan {

// A state_dict's tensors by the names that modules are made of.
using KeyShapes = std::map<std::string, std::vector<int64_t>, std::less<>>;

// Every tensor that a layer of `tree` holds is there, with the shape that its arguments say, and a layer of nn is given
// no other. INVALID_ARGUMENT "FILE:LINE:COLUMN: self.conv1 is nn.Conv2d(3, 64, 5): …; write kernel_size=7" where that
// is not so, or more modules would be compiled than layer_limits.h allows. `tree.decisions` says which keys no layer
// takes.
absl::Status MatchLayers(const KeyShapes& keys, ModuleTree& tree);

// What is written instead so that `layer`, which is at `path`, fits: "kernel_size=7". Empty where nothing was found.
std::string FittingArguments(const KeyShapes& keys, const std::string& path, const ModuleNode& layer);

// "[64, 3, 7, 7]".
std::string ShownShape(const std::vector<int64_t>& shape);

}  // namespace torchferry::plan
