// Model versions as text for people.
#pragma once

#include <string>

#include "client/commands/model_fields.h"
#include "client/text/console.h"

namespace torchferry::client {

// One line for each version. Below the table are the full reasons of versions that failed.
std::string ModelTable(const ModelVersions& versions, const Console& console);

// All facts about each version.
std::string ModelDetails(const ModelVersions& versions, const Console& console);

}  // namespace torchferry::client
