// Model versions as JSON for scripts.
#pragma once

#include <nlohmann/json.hpp>

#include "client/commands/model_fields.h"

namespace torchferry::client {

// {"versions": [...]} with the API's field names; state and dtypes as "READY", "FP32".
nlohmann::ordered_json ToJson(const ModelVersions& versions);

}  // namespace torchferry::client
