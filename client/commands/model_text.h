// Model versions as people read them.
#pragma once

#include <string>

#include "client/commands/model_fields.h"
#include "client/text/console.h"

namespace torchferry::client {

// A line a version, and below the table why versions failed, in full.
std::string ModelTable(const ModelVersions& versions, const Console& console);

// Everything about each version.
std::string ModelDetails(const ModelVersions& versions, const Console& console);

}  // namespace torchferry::client
