// The contents of the model store: STORE/NAME/config.pbtxt and STORE/NAME/VERSION/.
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
  std::vector<std::string> ignored;            // entries that are not a version, for a warning
  // By version. A fingerprint changes when any file in the version's folder, or beside it, is written or replaced.
  std::map<int64_t, std::string> fingerprints;
  // True when it has a version or a config.pbtxt, or cannot be read and so may have one. Other folders are not models,
  // such as lost+found and docs.
  bool is_model = true;
};

// It changes with the set of versions, and with each one's fingerprint.
std::string FingerprintOf(const ModelFolder& folder);

// The error of a folder that is not a model; its message says what to do.
absl::Status NoModel(const ModelFolder& folder);

// The versions that the config's policy wants; never empty. The config's own error, else NOT_FOUND, saying what to do.
absl::StatusOr<std::vector<int64_t>> WantedVersions(const ModelFolder& folder);

// A folder behind a link that leads out of the store is not read: its `config` is FAILED_PRECONDITION. Loading a
// version whose folder or file is such a link gives the same error.

// NOT_FOUND where the store has no such folder.
absl::StatusOr<ModelFolder> ScanModel(const base::StoreFolder& store, const std::string& name);

// Every folder of the store whose name does not start with a dot, models or not, sorted by name. If a name is not
// UTF-8, `name` is base::ToUtf8 of it, and `config` says what to do. NOT_FOUND or PERMISSION_DENIED when the store
// itself cannot be read.
absl::StatusOr<std::vector<ModelFolder>> ScanStore(const base::StoreFolder& store);

// NOT_FOUND for the first of `names` that is not a name in `models`; the message lists these. "*" stands for all. Pure.
absl::Status CheckNames(const std::vector<ModelFolder>& models, const std::vector<std::string>& names);

}  // namespace torchferry::registry
