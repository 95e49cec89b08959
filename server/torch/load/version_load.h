// Loads one version from its files into models, as the plan says. Placing runs once for the first device, and again for
// each further device.
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

// The identity of the files that a version is made of; see File::identity.
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

  // Reads, checks and compiles the module. The files are then closed, once their digests are computed. Results of
  // golden rows go to `parity`, or to a new record where that is null. Errors as ModelLoader::Load. This and the other
  // functions throw what LibTorch throws.
  static absl::StatusOr<std::shared_ptr<const VersionLoad>> Read(plan::LoadRequest request, plan::PlannedFiles version,
                                                                 LoadOptions options,
                                                                 std::shared_ptr<model::ParityRecord> parity = nullptr);

  // Places the version on the device of the plan, else on the next one. Errors as ModelLoader::Load.
  absl::StatusOr<FirstPlacement> PlaceFirst() const;

  // Places the version on `device` and no other. RESOURCE_EXHAUSTED when that has no room; else errors as
  // ModelLoader::Load.
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
  // The plan to try after `plan`, which failed with `why`. Returns `why` where there is no other plan.
  absl::StatusOr<plan::LoadPlan> NextPlan(const plan::LoadPlan& plan, const absl::Status& why,
                                          plan::Refusals& refusals) const;
  // The facts about a placement that are known before it is made.
  model::ModelInfo Describe(const plan::LoadPlan& plan) const;
  absl::StatusOr<Placed> PlaceOnce(const plan::LoadPlan& plan, bool may_search) const;
  absl::StatusOr<Placed> WarmUp(model::PlacedModel placed, const config::ModelConfig& config,
                                const base::StoreFolder& folder, const tensor::BoundInputs* example) const;
  // Reports `found` to `info`, the log, the parity record and LoadOptions::on_parity. ParityStatus where golden rows
  // refuse the placement.
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
