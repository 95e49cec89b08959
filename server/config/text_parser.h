// Protobuf text → `inference.ModelConfig`, with errors that say where and what would be right.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "inference/model_config.pb.h"

namespace torchferry::config {

// As written: what the values mean is checked elsewhere. `file` is what messages call the text.
// INVALID_ARGUMENT "FILE:LINE:COLUMN: what" for the first syntax error, unknown field, unknown enum
// value or value of the wrong type, and for more text than 1 MiB.
absl::StatusOr<inference::ModelConfig> ParseModelConfigText(std::string_view text, std::string_view file);

// The values that a user may write for an enum field, "A, B, C"; a value called …_INVALID is none.
std::string EnumValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace torchferry::config
