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

// What `file` builds: its `__init__` at the top level, or the class that its last constant names, or the only class
// that no other builds. INVALID_ARGUMENT "FILE:LINE:COLUMN: what is wrong, what to write instead", also where a limit
// of layer_limits.h is met. Time and memory are bounded by these.
absl::StatusOr<std::unique_ptr<ModuleTree>> RunConstructors(const std::shared_ptr<const PythonFile>& file);

// The layer of the same class with other arguments; nothing where its constructor refuses them.
std::unique_ptr<ModuleTree> ConstructAgain(const ModuleNode& layer,
                                           const std::map<std::string, PlanValue, std::less<>>& arguments);

}  // namespace torchferry::plan
