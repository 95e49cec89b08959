// What the model store holds: STORE/NAME/config.pbtxt and STORE/NAME/VERSION/.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/config/model_config.h"

namespace torchferry {

// One model's folder.
struct ModelFolder {
  std::string name;
  absl::StatusOr<ModelConfig> config;      // a default one where there is no config.pbtxt
  std::vector<int64_t> versions;           // ascending
  std::vector<std::string> ignored;        // entries that are no version, for a warning
};

// Every folder of the store whose name does not start with a dot, sorted by name. NOT_FOUND or PERMISSION_DENIED when the
// store itself cannot be read.
absl::StatusOr<std::vector<ModelFolder>> ScanStore(const std::string& store);

}  // namespace torchferry
