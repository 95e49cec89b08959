// An Inspection as JSON for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// All facts, each tensor included. `plan` has the fields of GetModel's file and placement.
nlohmann::ordered_json ToJson(const Inspection& inspection);

}  // namespace torchferry::client
