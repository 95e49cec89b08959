// Checks that a state_dict's names can become modules: "fc.weight" is the tensor `weight` of the module `fc`. Pure.
#pragma once

#include <absl/status/status.h>

#include <span>
#include <string>

namespace torchferry::plan {

// `names` are unique; empty ones are passed over. INVALID_ARGUMENT: a name with an empty part, "fc..weight", or one
// that is a tensor's and, in a longer name, a module's. The same code is for more modules, or more members of a module,
// than limits.h allows. Time is linear in the names.
absl::Status CheckKeyTree(std::span<const std::string> names);

}  // namespace torchferry::plan
