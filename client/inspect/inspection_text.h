// An Inspection as text for people.
#pragma once

#include <string>

#include "client/inspect/inspection.h"
#include "client/text/console.h"

namespace torchferry::client {

// Tables, and a config.pbtxt to start from if the model has no such file yet.
std::string InspectionText(const Inspection& inspection, const Console& console);

}  // namespace torchferry::client
