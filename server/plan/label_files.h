// Reads the class names that a model's configuration gives for its outputs.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"

namespace torchferry::plan {

// Maps an output to the lines of its label_filename in STORE/MODEL; the first line is class 0. An output without a
// label_filename is absent. Each file is read once. Errors name the file. NOT_FOUND: no such file. INVALID_ARGUMENT:
// the file is not UTF-8, or is larger than the limits. Else errors of File::Open and File::Read.
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadLabels(const base::StoreFolder& store,
                                                                           const std::string& model,
                                                                           const config::ModelConfig& config);

}  // namespace torchferry::plan
