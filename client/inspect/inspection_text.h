// An Inspection, for people.
#pragma once

#include <string>

#include "client/inspect/inspection.h"
#include "client/text/console.h"

namespace torchferry::client {

// Tables and, where there is none yet, a config.pbtxt to start from.
std::string InspectionText(const Inspection& inspection, const Console& console);

}  // namespace torchferry::client
