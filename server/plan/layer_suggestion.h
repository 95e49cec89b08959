// Layers that are known from their keys alone: finds each Linear, and suggests what to write for the others. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/plan/layer_match.h"
#include "server/plan/module_tree.h"

namespace torchferry::plan {

// Says why the module at `path` cannot be called: "self.conv1 holds weight [64, 3, 7, 7]; which layer that is …". The
// text continues with what to write: "self.conv1 = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=?, padding=?) in `def
// __init__(self):`".
std::string MissingLayer(const KeyShapes& keys, const std::string& path);

// Gives the modules of a file without constructors. A module that the file calls, `self.fc(x)`, is a Linear where its
// keys are exactly `weight` [out, in] and `bias` [out]. INVALID_ARGUMENT with MissingLayer's text for a call of another
// module.
absl::StatusOr<std::unique_ptr<ModuleTree>> LayersFromCalls(const std::shared_ptr<const PythonFile>& file,
                                                            const KeyShapes& keys);

}  // namespace torchferry::plan
