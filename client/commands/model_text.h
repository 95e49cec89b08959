// Model versions as people and as scripts read them.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <nlohmann/json.hpp>
#include <string>

#include "client/text/console.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

using ModelVersions = google::protobuf::RepeatedPtrField<v1::ModelVersion>;

// A line a version, and below the table why versions failed, in full.
std::string ModelTable(const ModelVersions& versions, const Console& console);

// Everything about each version.
std::string ModelDetails(const ModelVersions& versions, const Console& console);

// {"versions": [...]} with the API's field names; state and dtypes as "READY", "FP32".
nlohmann::ordered_json ToJson(const ModelVersions& versions);

}  // namespace torchferry::client
