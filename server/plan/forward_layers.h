// Plans the layers of a forward.py before any tensor is read. `torchferry inspect` shows them, and the server builds
// them. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/plan/layer_match.h"
#include "server/plan/module_tree.h"

namespace torchferry::plan {

// `source` has passed ReadImports and CheckNesting; messages call it `file`. With constructors, they give the layers,
// which are checked against `keys`. Without constructors, each module that is called becomes a Linear if its keys allow
// it. INVALID_ARGUMENT "FILE:LINE:COLUMN: what is wrong, what to write instead".
absl::StatusOr<std::shared_ptr<const ModuleTree>> PlanLayers(std::string_view source, const std::string& file,
                                                             const KeyShapes& keys);

}  // namespace torchferry::plan
