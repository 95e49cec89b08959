// A model's config.pbtxt on disk.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "server/config/model_config.h"

namespace torchferry::config {

// Reads `folder`/config.pbtxt on the host; without one the defaults, named `model_name`. `shown` is what messages call
// the file. ParseModelConfig's errors, INVALID_ARGUMENT for a file over 4 MiB, PERMISSION_DENIED when it cannot be
// read.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder, const std::string& shown,
                                            const std::string& model_name);

}  // namespace torchferry::config
