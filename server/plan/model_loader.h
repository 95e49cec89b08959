// From a version's folder to a model: the files are found and planned, and the runtime that takes their format loads
// them. A second runtime is a second ModelLoader; serving, RPC and the registry know of none.
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

// Which version is wanted, and the host that it is for.
struct LoadRequest {
  base::StoreFolder store;
  std::string model;
  int64_t version = 0;
  config::ModelConfig config;
  PlanContext host;
  // The list as it was when this load began: further placements use the same. Null: every file may be loaded.
  std::shared_ptr<const checkpoint::TrustedDigests> trusted = nullptr;
};

struct PlannedFiles {
  VersionFiles files;
  PlannedVersion planned;
};

// The files of the version and their plan, as they are now. Errors of FindVersionFiles, then of PlanVersion.
absl::StatusOr<PlannedFiles> PlanFiles(const LoadRequest& request);

// Room for loading `version`, which it has until the reservation goes; null where the host of `request` has no budget.
// RESOURCE_EXHAUSTED, which begins with "no_room".
absl::StatusOr<std::unique_ptr<LoadBudget::Reservation>> ReserveMemory(const LoadRequest& request,
                                                                       const PlannedFiles& version);

// A runtime. Thread-safe.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;

  // What it loads. Constant.
  virtual std::span<const checkpoint::FileFormat> formats() const = 0;

  // Makes the model that `version` is the plan of, on the device of the plan or on the next one; ready to run.
  // `version` has one of formats(). Blocks for as long as that takes. LoadedModel::place makes it on other devices.
  // DATA_LOSS: damaged or hostile. FAILED_PRECONDITION: something must be done first. INVALID_ARGUMENT: sound, but not
  // servable as it is. RESOURCE_EXHAUSTED: no memory. Messages name the file by its path in the store.
  virtual absl::StatusOr<model::LoadedModel> Load(const LoadRequest& request, PlannedFiles version) const = 0;
};

// A version that was loaded, and the configuration that it is served by: PlannedVersion::config.
struct LoadedVersion {
  model::LoadedModel model;
  config::ModelConfig config;
};

// The only place that chooses a runtime: plans the version, reserves the memory that it takes, and gives it to the
// first of `loaders` that takes the format of the plan; `request` then has the plan's configuration. UNIMPLEMENTED when
// there is none; else errors of PlanFiles, ReserveMemory and ModelLoader::Load.
absl::StatusOr<LoadedVersion> LoadVersion(LoadRequest request, std::span<const ModelLoader* const> loaders);

}  // namespace torchferry::plan
