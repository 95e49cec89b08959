// One version on its way from files to a model: what the plan says is carried out here, once for the first device, and
// again for each further one that it is placed on.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/checkpoint/file_digest.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"
#include "server/plan/tuning_record.h"
#include "server/plan/version_files.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/graph/rewrite_graph.h"
#include "server/torch/graph/stateful.h"
#include "server/torch/load/loader.h"
#include "server/torch/run/precision_border.h"

namespace torchferry::libtorch {

// MakeModule comes first, then Place or PlaceOn. These run one at a time.
class VersionLoad {
 public:
  VersionLoad(plan::LoadRequest request, plan::PlannedFiles version, LoadOptions options);

  // The module as it was saved, on the CPU: read, checked, compiled.
  absl::StatusOr<torch::jit::Module> MakeModule();

  // `module` on the device of the plan, else on the next one. LoadVersion's errors.
  absl::StatusOr<model::PlacedModel> Place(const torch::jit::Module& module);

  // `module` on `device` and no other.
  absl::StatusOr<model::PlacedModel> PlaceOn(const torch::jit::Module& module, const tensor::DeviceId& device);

  // Devices that Place has passed over for what may pass, best first.
  std::vector<tensor::DeviceId> Rather() const;

  // Where it may run when the device that Place has found fails, best first.
  std::vector<tensor::DeviceId> Others() const;

  // What was read from files is not needed any more.
  void CloseFiles();

  // Of the files that it is made of; see File::identity.
  std::string FileIdentity() const;

  uint64_t weight_bytes() const { return planned_.plan.weight_bytes; }
  bool is_on_cpu() const { return planned_.plan.placement.device.IsCpu(); }

 private:
  struct Placed {
    torch::jit::Module module;
    Rewritten rewritten;
    PrecisionBorder border;
  };

  bool IsLarge() const;
  void StartDigest();
  absl::StatusOr<model::PlacedModel> PlaceOnce(const torch::jit::Module& module, bool may_search);
  Placed PlaceCopy(const torch::jit::Module& module, const tensor::DeviceId& device,
                   const plan::PrecisionPlan& precision) const;
  std::shared_ptr<model::Model> MakeModel(const Placed& placed, const tensor::DeviceId& device) const;
  bool RenamesCpu() const;
  absl::StatusOr<std::shared_ptr<model::Model>> Tried(const torch::jit::Module& module, Placed& placed,
                                                      const tensor::DeviceId& device, model::ModelInfo& info);
  absl::StatusOr<std::shared_ptr<model::Model>> Tuned(const torch::jit::Module& module, const Placed& placed,
                                                      std::shared_ptr<model::Model> plain, bool may_search,
                                                      model::ModelInfo& info);
  int WorkersOnAccelerator() const;
  std::vector<std::string> Variants(const Placed& placed) const;
  std::shared_ptr<model::Model> MakeVariant(const torch::jit::Module& module, const Placed& placed,
                                            const std::string& variant) const;
  plan::TuningKey KeyOfFiles();
  std::vector<tensor::DType> TypesThatInputsLack() const;
  std::string DeclaredInputs() const;
  const checkpoint::File& SourceFile() const;
  absl::StatusOr<torch::jit::Module> LoadStateDict();
  model::ModelInfo Describe() const;
  void DescribeState(std::vector<std::string>& decisions) const;

  const plan::LoadRequest request_;
  plan::VersionFiles files_;
  plan::PlannedVersion planned_;
  const LoadOptions options_;
  const std::string file_name_;
  const uint64_t file_bytes_;
  const std::string architecture_name_;  // of a state_dict
  std::shared_ptr<const checkpoint::FileDigest> digest_;
  std::optional<ModuleState> state_;
  ModelSignature signature_;
  std::string architecture_digest_;  // once it was asked for
  plan::RuledOut ruled_out_;         // devices that failed while it was placed
};

}  // namespace torchferry::libtorch
