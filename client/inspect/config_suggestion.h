// A config.pbtxt to start from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/inspect/inspection.h"

namespace torchferry::client {

struct ForwardArgument {
  std::string name;
  std::string type;  // "Tensor", "int", "Optional[Tensor]"
};

// The arguments of the root module's `forward` but self, as the archive's code declares them; empty when that is not
// found.
std::vector<ForwardArgument> ForwardArguments(const checkpoint::TorchScriptInfo& script);

// What the file says is said; what it cannot say (shapes, batching) is there as a comment to fill in. Parses as it is.
std::string SuggestConfig(const Inspection& inspection, const std::optional<checkpoint::TorchScriptInfo>& script);

}  // namespace torchferry::client
