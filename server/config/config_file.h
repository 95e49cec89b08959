// A model's config.pbtxt on disk.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"

namespace torchferry::config {

// Reads config.pbtxt of `folder`. Without the file it returns the defaults, named `model_name`. Messages call the file
// `shown`. ParseModelConfig's errors, INVALID_ARGUMENT for a file over 4 MiB, FAILED_PRECONDITION for a link out of the
// store, PERMISSION_DENIED when it cannot be read.
absl::StatusOr<ModelConfig> ReadModelConfig(const base::StoreFolder& folder, const std::string& shown,
                                            const std::string& model_name);

}  // namespace torchferry::config
