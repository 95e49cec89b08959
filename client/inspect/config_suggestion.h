// A config.pbtxt to start from.
#pragma once

#include <optional>
#include <string>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// What the file says is said; what it cannot say (shapes, batching) is there as a comment to fill in. Parses as it is.
std::string SuggestConfig(const Inspection& inspection, const std::optional<checkpoint::TorchScriptInfo>& script);

}  // namespace torchferry::client
