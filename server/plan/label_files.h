// The names of classes that a model's configuration gives for its outputs.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"

namespace torchferry::plan {

// By output: the lines of its label_filename in STORE/MODEL, the first being class 0. An output without one is absent.
// Each file is read once. NOT_FOUND, or INVALID_ARGUMENT for a file beyond the limits or that is not UTF-8, naming it.
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadLabels(const base::StoreFolder& store,
                                                                           const std::string& model,
                                                                           const config::ModelConfig& config);

}  // namespace torchferry::plan
