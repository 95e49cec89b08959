// The enumerations of torch._export.serde.schema. Their numbers differ from c10's and from those of other files.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// Names without "torch.": "float32", "strided", "channels_last". INVALID_ARGUMENT for an unknown number. DATA_LOSS for
// a value that is no number.
absl::StatusOr<std::string> ReadScalarType(const JsonValue& value);
absl::StatusOr<std::string> ReadLayout(const JsonValue& value);
absl::StatusOr<std::string> ReadMemoryFormat(const JsonValue& value);

// Reads "cpu" or "cuda:1" from {type, index}.
absl::StatusOr<std::string> ReadDevice(const JsonValue& value);

}  // namespace torchferry::checkpoint
