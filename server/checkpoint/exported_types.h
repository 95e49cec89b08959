// The enumerations of torch._export.serde.schema: their numbers are neither c10's nor those of other files.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// "float32", "strided", "channels_last": what comes after "torch.". INVALID_ARGUMENT for a number that is not known,
// DATA_LOSS for no number.
absl::StatusOr<std::string> ReadScalarType(const JsonValue& value);
absl::StatusOr<std::string> ReadLayout(const JsonValue& value);
absl::StatusOr<std::string> ReadMemoryFormat(const JsonValue& value);

// "cpu", "cuda:1" of {type, index}.
absl::StatusOr<std::string> ReadDevice(const JsonValue& value);

}  // namespace torchferry::checkpoint
