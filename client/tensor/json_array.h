// Tensors as JSON: nested lists, or a bare value for shape []. Floats that JSON cannot express are the strings "NaN",
// "Infinity" and "-Infinity", both ways.
#pragma once

#include <absl/status/statusor.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "client/tensor/array.h"

namespace torchferry::client {

// Without `dtype`, whole numbers make INT64, numbers with a point or an exponent FP32, true and false BOOL. Quoted text
// is only for BYTES. INVALID_ARGUMENT names the place of bad JSON, ragged lists and values that do not fit the dtype.
absl::StatusOr<Array> ParseJsonArray(std::string_view text, std::optional<tensor::DType> dtype);

// Writes the shortest decimal that reads back as the same FP32 (FP64) value.
nlohmann::ordered_json ToJson(const Array& array);

}  // namespace torchferry::client
