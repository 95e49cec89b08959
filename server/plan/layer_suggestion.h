// Layers that only keys are known of: which is a Linear, and what to write for the others. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/plan/layer_match.h"
#include "server/plan/module_tree.h"

namespace torchferry::plan {

// What is missing so that the module at `path` can be called: "self.conv1 holds weight [64, 3, 7, 7]; which layer that
// is … write self.conv1 = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=?, padding=?) in `def __init__(self):`".
std::string MissingLayer(const KeyShapes& keys, const std::string& path);

// The modules of a file without constructors. Those that it calls, `self.fc(x)`, are Linear where their keys are
// `weight` [out, in] and `bias` [out] alone; INVALID_ARGUMENT with MissingLayer's text for a call of another module.
absl::StatusOr<std::unique_ptr<ModuleTree>> LayersFromCalls(const std::shared_ptr<const PythonFile>& file,
                                                            const KeyShapes& keys);

}  // namespace torchferry::plan
