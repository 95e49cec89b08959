// An Inspection, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "client/inspect/inspection.h"
#include "client/text/console.h"

namespace torchferry::client {

// Tables and, where there is none yet, a config.pbtxt to start from.
std::string InspectionText(const Inspection& inspection, const Console& console);

// Everything, each tensor included. `plan` has the fields of GetModel's file and placement.
nlohmann::ordered_json ToJson(const Inspection& inspection);

}  // namespace torchferry::client
