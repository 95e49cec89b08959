// The fastest way to run a model on a device, found at load by trying, or taken from an earlier load that has found it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/tuning_record.h"
#include "server/torch/load/loader.h"

namespace torchferry::libtorch {

// Whether a configuration says that it is to be tuned, and whether it is, the server's own word considered.
bool IsTuningAsked(const config::OptimizeConfig& config);
bool IsTuningOn(const TuningOptions& options, const config::OptimizeConfig& config);

struct TuningTask {
  // The model in a variant. Throws what LibTorch throws.
  std::function<std::shared_ptr<model::Model>(const std::string& variant)> make;
  std::vector<std::string> variants;  // that make sense, "plain" among them
  const config::ModelConfig& config;
  base::StoreFolder store;                       // for the files of model_warmup
  const tensor::BoundInputs* example = nullptr;  // see SampleRows
  const TuningOptions& options;
  int intra_op_threads = 1;
  int workers = 0;  // at the same time, on an accelerator; 0: it is the CPU, which has as many as the threads leave
  double tolerance = 0;     // most that a variant's outputs may differ from plain's, of an output's largest magnitude
  bool may_search = true;   // otherwise only a kept result is used
  std::string record_path;  // on this host
  plan::TuningKey key;      // of the files, the device and the types; what the search depends on beyond that is added
};

// `plain`, or the same model in the variant that is the fastest; info.tuning and info.decisions say what was found, or
// why it was not sought. Blocks for the configuration's budget at most, but for a forward pass or two. Only a device's
// errors are errors.
absl::StatusOr<std::shared_ptr<model::Model>> Tune(const TuningTask& task, std::shared_ptr<model::Model> plain,
                                                   model::ModelInfo& info);

}  // namespace torchferry::libtorch
