// The layers of a forward.py, before any tensor is read: what `torchferry inspect` shows and the server builds. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/plan/layer_match.h"
#include "server/plan/module_tree.h"

namespace torchferry::plan {

// `source` has passed ReadImports and CheckNesting; `file` is what messages call it. With constructors, what they make,
// held against `keys`; without, a Linear for each module that is called and whose keys say so. INVALID_ARGUMENT
// "FILE:LINE:COLUMN: what is wrong, what to write instead".
absl::StatusOr<std::shared_ptr<const ModuleTree>> PlanLayers(std::string_view source, const std::string& file,
                                                             const KeyShapes& keys);

}  // namespace torchferry::plan
