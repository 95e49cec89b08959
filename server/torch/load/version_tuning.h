// The facts that tuning needs of a version: which variants make sense, how to make them, and the key of a kept result.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"
#include "server/plan/tuning_record.h"
#include "server/torch/load/loader.h"
#include "server/torch/load/placed_copy.h"
#include "server/torch/load/tuning.h"

namespace torchferry::libtorch {

// The facts that decide which variants make sense.
struct VariantFacts {
  bool is_on_cpu = true;
  bool has_images = false;      // see HasImageWeights
  bool branches = false;        // see BranchesOnValues
  bool autocasts_bf16 = false;  // see PrecisionPlan
};

// Those of config::TuningVariants() that make sense, in their order. Generated rows cannot show inputs that 16 bits
// cannot hold, or branches that other values take. Variants with these risks need a configuration that lists them.
// Pure.
std::vector<std::string> VariantsFor(const config::OptimizeConfig& config, const VariantFacts& facts);

// Why a version is not tuned although tuning is on; empty: it is tuned. Pure. `memory_bytes` is the host's memory, 0
// where unknown. `free_bytes` is the free part of it now, beside the version itself.
std::string ReasonNotToTune(bool is_stateful, uint64_t weight_bytes, uint64_t memory_bytes,
                            std::optional<uint64_t> free_bytes = std::nullopt);

struct VersionTuning {
  const MasterModule& master;
  const plan::LoadPlan& plan;
  const plan::LoadRequest& request;
  const LoadOptions& options;
  const std::string& model_path;                  // on this host; the record is kept beside it
  std::function<plan::TuningKey()> key_of_files;  // by their content; may wait until it is known
  bool may_search = true;                         // otherwise only a kept result is used
  TuningVariants::Accept accept = nullptr;        // see TuningTask
};

// `plain`, which is the model of `copy`, or the same model in the fastest variants. Works as Tune. info.decisions also
// says why the version was not tuned where that was asked for. Tuned::refine and its job keep the module's weights in
// memory.
absl::StatusOr<Tuned> TuneVersion(const VersionTuning& version, const PlacedCopy& copy,
                                  std::shared_ptr<model::Model> plain, model::ModelInfo& info);

}  // namespace torchferry::libtorch
