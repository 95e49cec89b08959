// From a version's folder to a model. The files are found and planned, and the runtime that takes their format loads
// them. A second runtime is a second ModelLoader; serving, RPC and the registry know no runtime.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "server/base/store_folder.h"
#include "server/checkpoint/format.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"
#include "server/plan/version_files.h"

namespace torchferry::plan {

// The wanted version, and the host that loads it.
struct LoadRequest {
  base::StoreFolder store;
  std::string model;
  int64_t version = 0;
  config::ModelConfig config;
  PlanContext host;
  // The list as it was when this load began; later placements of the version use the same list. Null: every file may be
  // loaded.
  std::shared_ptr<const checkpoint::TrustedDigests> trusted = nullptr;
};

struct PlannedFiles {
  VersionFiles files;
  PlannedVersion planned;
};

// Finds the version's files and plans them, as they are now. Errors of FindVersionFiles, then of PlanVersion.
absl::StatusOr<PlannedFiles> PlanFiles(const LoadRequest& request);

// Reserves room for loading `version`, until the reservation is destroyed. Null where the host of `request` has no
// budget. RESOURCE_EXHAUSTED, beginning with "no_room".
absl::StatusOr<std::unique_ptr<LoadBudget::Reservation>> ReserveMemory(const LoadRequest& request,
                                                                       const PlannedFiles& version);

// A runtime. Thread-safe.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;

  // The formats that it loads. They never change.
  virtual std::span<const checkpoint::FileFormat> formats() const = 0;

  // Builds the planned model on the device of the plan, or on the next one. The model is then ready to run. `version`
  // has one of formats(). Blocks until the model is built. LoadedModel::place builds it on other devices.
  // DATA_LOSS: damaged or hostile. FAILED_PRECONDITION: something must be done first. INVALID_ARGUMENT: sound, but not
  // servable as it is. RESOURCE_EXHAUSTED: no memory. Messages name the file by its path in the store.
  virtual absl::StatusOr<model::LoadedModel> Load(const LoadRequest& request, PlannedFiles version) const = 0;
};

// A loaded version, and the configuration that it is served by: PlannedVersion::config.
struct LoadedVersion {
  model::LoadedModel model;
  config::ModelConfig config;
};

// The only place that chooses a runtime. It plans the version and takes the first of `loaders` that loads the plan's
// format. Then it reserves the memory and calls that loader; `request` then has the plan's configuration. UNIMPLEMENTED
// when no loader takes the format. Else errors of PlanFiles, ReserveMemory and ModelLoader::Load.
absl::StatusOr<LoadedVersion> LoadVersion(LoadRequest request, std::span<const ModelLoader* const> loaders);

}  // namespace torchferry::plan
