// Parses protobuf text to an `inference.ModelConfig`, with errors that give the place and the expected text.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "inference/model_config.pb.h"

namespace torchferry::config {

// The values are as written: other code checks their meaning. Messages call the text `file`. INVALID_ARGUMENT
// "FILE:LINE:COLUMN: what" for the first syntax error, unknown field, unknown enum value, or value of the wrong type.
// The same code is for a text over 1 MiB.
absl::StatusOr<inference::ModelConfig> ParseModelConfigText(std::string_view text, std::string_view file);

// The values that a user may write for an enum field, "A, B, C". It leaves out a value called …_INVALID.
std::string EnumValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace torchferry::config
