// An Inspection, for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// Everything, each tensor included. `plan` has the fields of GetModel's file and placement.
nlohmann::ordered_json ToJson(const Inspection& inspection);

}  // namespace torchferry::client
