// The models of the store that the flags name.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>
#include <vector>

#include "server/app/flags.h"
#include "server/base/store_folder.h"
#include "server/registry/store_scanner.h"

namespace torchferry::app {

base::StoreFolder StoreOf(const ServerFlags& flags);

// Every folder of the store, models or not, as registry::ScanStore returns them. NOT_FOUND or PERMISSION_DENIED when
// the store cannot be read. NOT_FOUND also when it lacks a model of --load-model.
absl::StatusOr<std::vector<registry::ModelFolder>> ScanModels(const ServerFlags& flags);

// NOT_FOUND: the store has no model. `purpose`: what a model is needed for, as in "tune".
absl::Status NoModels(const ServerFlags& flags, std::string_view purpose);

}  // namespace torchferry::app
