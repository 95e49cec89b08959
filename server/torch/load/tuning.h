// The fastest way to run a model on a device, found at load by trying, or taken from an earlier load that has found it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/base/store_folder.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/tuning_record.h"
#include "server/torch/load/loader.h"
#include "server/torch/load/tuner.h"

namespace torchferry::libtorch {

// Whether a configuration says that it is to be tuned, and whether it is, the server's own word considered.
bool IsTuningAsked(const config::OptimizeConfig& config);
bool IsTuningOn(const TuningOptions& options, const config::OptimizeConfig& config);

struct TuningTask {
  // May be called after Tune has returned, by Tuned::refine's job: it owns what it uses.
  TuningVariants::Make make;
  std::vector<std::string> variants;  // that make sense, "plain" among them
  config::ModelConfig config;
  base::StoreFolder store;                                    // for the files of model_warmup
  std::optional<tensor::BoundInputs> example = std::nullopt;  // see SampleRows
  TuningOptions options;
  int intra_op_threads = 1;
  int workers = 0;  // at the same time, on an accelerator; 0: it is the CPU, which has as many as the threads leave
  double tolerance = 0;  // most that a variant's outputs may differ from plain's, of an output's largest magnitude
  TuningVariants::Accept accept = nullptr;  // what a variant has to pass besides; null: nothing
  bool may_search = true;                   // otherwise only a kept result is used
  std::string record_path;                  // on this host
  plan::TuningKey key;  // of the files, the device and the types; what the search depends on beyond that is added
  Measurement measure = &MeasureThroughput;
};

struct Tuned {
  std::shared_ptr<model::Model> model;
  std::shared_ptr<model::Model> small = nullptr;  // for batches at info.tuning->latency; null: `model`
  // Of the info that the model is served with: what goes on with the search while the server is idle. The job puts the
  // better way into service, writes the final result, and holds no memory any more once it has ended. Null: the result
  // is final.
  std::function<model::IdleJob(model::ModelInfo info)> refine = nullptr;
  // Likewise of a kept result whose small batches run on another variant: makes that and puts it into service. Until
  // then `model` has these, too. Null: there is none.
  std::function<model::IdleJob(model::ModelInfo info)> make_small = nullptr;
};

// `plain`, or the same model in the variants that are the fastest; info.tuning and info.decisions say what was found,
// or why it was not sought. Blocks for the configuration's budget at most, but for a forward pass or two. A kept result
// was compared with the plain graph on one row, and each of its models has run that row twice. Only a device's errors
// are errors.
absl::StatusOr<Tuned> Tune(const TuningTask& task, std::shared_ptr<model::Model> plain, model::ModelInfo& info);

}  // namespace torchferry::libtorch
