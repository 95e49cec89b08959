// Runs the constructors of a forward.py: a bounded interpreter of a small part of Python, which knows nn's layers,
// numbers, text and lists. It reads no file, computes no tensor and calls nothing of LibTorch. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/plan/module_tree.h"

namespace torchferry::plan {

// Builds the module tree of `file`, by `__init__` at the top level where there is one. Else it builds the class that
// the last constant names, or the only class that no other builds. INVALID_ARGUMENT "FILE:LINE:COLUMN: what is wrong,
// what to write instead", also above a limit of layer_limits.h. These limits bound time and memory.
absl::StatusOr<std::unique_ptr<ModuleTree>> RunConstructors(const std::shared_ptr<const PythonFile>& file);

// Builds the layer of the same class with other arguments. Gives null where its constructor refuses them.
std::unique_ptr<ModuleTree> ConstructAgain(const ModuleNode& layer,
                                           const std::map<std::string, PlanValue, std::less<>>& arguments);

}  // namespace torchferry::plan
