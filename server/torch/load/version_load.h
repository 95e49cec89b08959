// One version from its files to models: what the plan says is carried out here, once for the first device, and again
// for each further one that the version is placed on.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/file_digest.h"
#include "server/model/loaded_model.h"
#include "server/plan/model_loader.h"
#include "server/plan/parity_plan.h"
#include "server/plan/tuning_record.h"
#include "server/torch/load/describe_version.h"
#include "server/torch/load/loader.h"
#include "server/torch/load/parity_check.h"
#include "server/torch/load/placed_copy.h"

namespace torchferry::libtorch {

// Of the files that a version is made of; see File::identity.
std::string FileIdentity(const plan::VersionFiles& files);

// A version that was read. It does not change: once one placement has been made, several threads may make others at the
// same time. (LibTorch fills in the types of a module's tuples when it is copied for the first time.)
class VersionLoad {
 public:
  struct FirstPlacement {
    model::PlacedModel placed;
    std::vector<tensor::DeviceId> preferred_devices;  // see LoadedModel
    std::vector<tensor::DeviceId> fallback_devices;
    std::vector<model::IdleJob> idle_jobs;
  };

  // Reads, checks and compiles the module, and closes the files. What golden rows say of placements goes to `parity`,
  // or to a record of its own. Errors as ModelLoader::Load. Throws what LibTorch
  // throws; so do the others.
  static absl::StatusOr<std::shared_ptr<const VersionLoad>> Read(plan::LoadRequest request, plan::PlannedFiles version,
                                                                 LoadOptions options,
                                                                 std::shared_ptr<model::ParityRecord> parity = nullptr);

  // On the device of the plan, else on the next one. Errors as ModelLoader::Load.
  absl::StatusOr<FirstPlacement> PlaceFirst() const;

  // On `device` and no other. RESOURCE_EXHAUSTED when it has no room; else errors as ModelLoader::Load.
  absl::StatusOr<model::PlacedModel> PlaceOn(const tensor::DeviceId& device) const;

  uint64_t weight_bytes() const { return planned_.plan.weight_bytes; }

 private:
  VersionLoad(plan::LoadRequest request, plan::PlannedVersion planned, LoadOptions options, FileFacts file,
              std::shared_ptr<const checkpoint::FileDigest> architecture_digest, MasterModule master,
              std::shared_ptr<model::ParityRecord> parity);

  struct Placed {
    model::PlacedModel model;
    std::vector<model::IdleJob> idle_jobs;
  };
  // What is tried after `plan`, which failed with `why`; `why` where nothing is.
  absl::StatusOr<plan::LoadPlan> NextPlan(const plan::LoadPlan& plan, const absl::Status& why,
                                          plan::Refusals& refusals) const;
  // What is known of a placement before it is made.
  model::ModelInfo Describe(const plan::LoadPlan& plan) const;
  absl::StatusOr<Placed> PlaceOnce(const plan::LoadPlan& plan, bool may_search) const;
  absl::StatusOr<Placed> WarmUp(model::PlacedModel placed, const config::ModelConfig& config,
                                const base::StoreFolder& folder, const tensor::BoundInputs* example) const;
  // ParityStatus where golden rows refuse the placement. What they say goes to whoever wants to know.
  absl::Status TellParity(const ParityCheck& check, model::ParityInfo found, const plan::LoadPlan& plan,
                          model::ModelInfo& info) const;
  void ReportFault(const tensor::DeviceId& device, const absl::Status& status) const;
  plan::TuningKey KeyOfFiles() const;

  const plan::LoadRequest request_;
  const plan::PlannedVersion planned_;  // without its checkpoint
  const LoadOptions options_;
  const FileFacts file_;
  const std::shared_ptr<const checkpoint::FileDigest> architecture_digest_;  // null: not needed, or no such file
  const MasterModule master_;
  const std::shared_ptr<model::ParityRecord> parity_;
};

}  // namespace torchferry::libtorch
