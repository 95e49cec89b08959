// What the model store holds: STORE/NAME/config.pbtxt and STORE/NAME/VERSION/.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"

namespace torchferry::registry {

// One model's folder.
struct ModelFolder {
  std::string name;
  absl::StatusOr<config::ModelConfig> config;  // a default one where there is no config.pbtxt
  std::vector<int64_t> versions;               // ascending
  std::vector<std::string> ignored;            // entries that are no version, for a warning
  // Of each version: changes with any file in its folder, and beside it, that was written or replaced.
  std::map<int64_t, std::string> fingerprints;
  // It has a version or a config.pbtxt, or may have: it cannot be read. Otherwise it is a folder of something else, as
  // lost+found and docs are.
  bool is_model = true;
};

// Changes with the versions that are there, and with each one's fingerprint.
std::string FingerprintOf(const ModelFolder& folder);

// Why a folder is no model, and what to do.
absl::Status NoModel(const ModelFolder& folder);

// What the policy of its config wants; never none. The config's own error, else NOT_FOUND, saying what to do.
absl::StatusOr<std::vector<int64_t>> WantedVersions(const ModelFolder& folder);

// A folder to which a link leads out of the store is not read: its `config` is FAILED_PRECONDITION, and so is loading a
// version whose folder or file is such a link.

// NOT_FOUND where the store has no such folder.
absl::StatusOr<ModelFolder> ScanModel(const base::StoreFolder& store, const std::string& name);

// Every folder of the store whose name does not start with a dot, models or not, sorted by name. Of a folder whose name
// is not UTF-8 `name` is what base::ToUtf8 makes of it, and `config` says what to do. NOT_FOUND or PERMISSION_DENIED
// when the store itself cannot be read.
absl::StatusOr<std::vector<ModelFolder>> ScanStore(const base::StoreFolder& store);

// NOT_FOUND for the first of `names` that is the name of none of `models`, listing these; "*" stands for all. Pure.
absl::Status CheckNames(const std::vector<ModelFolder>& models, const std::vector<std::string>& names);

}  // namespace torchferry::registry
