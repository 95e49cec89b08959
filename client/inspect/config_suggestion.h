// Suggests a config.pbtxt to start from.
#pragma once

#include <optional>
#include <string>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// Facts that the file gives are set. Facts that it cannot give (shapes, batching) are comments to fill in. The text
// parses as it is.
std::string SuggestConfig(const Inspection& inspection, const std::optional<checkpoint::TorchScriptInfo>& script);

}  // namespace torchferry::client
