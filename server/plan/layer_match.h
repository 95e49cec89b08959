// Checks the modules that the constructors of a forward.py build against the tensors of a state_dict. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/plan/module_tree.h"

namespace torchferry::plan {

// The shapes of a state_dict's tensors, by the names that modules get.
using KeyShapes = std::map<std::string, std::vector<int64_t>, std::less<>>;

// Checks that every tensor of a layer of `tree` is there, with the shape that its arguments give. A layer of nn must
// get no other tensors. INVALID_ARGUMENT "FILE:LINE:COLUMN: self.conv1 is nn.Conv2d(3, 64, 5): …; write kernel_size=7"
// where a tensor does not fit. The same code is for more compiled modules than layer_limits.h allows. `tree.decisions`
// gets the keys that no layer takes.
absl::Status MatchLayers(const KeyShapes& keys, ModuleTree& tree);

// Gives the arguments that would make `layer` at `path` fit: "kernel_size=7". Empty where none were found.
std::string FittingArguments(const KeyShapes& keys, const std::string& path, const ModuleNode& layer);

// Writes "[64, 3, 7, 7]".
std::string ShownShape(const std::vector<int64_t>& shape);

}  // namespace torchferry::plan
