// The fastest way to run a model on a device, found at load by measuring, or taken from the result of an earlier load.
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

// Whether a configuration asks for tuning, and whether its version is tuned, with the server's options.
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
  int workers = 0;       // at the same time, on an accelerator; 0: the CPU, with processors / threads workers
  double tolerance = 0;  // max difference of a variant's outputs from plain's, as a share of the largest magnitude
  TuningVariants::Accept accept = nullptr;  // a further check that a variant must pass; null: none
  bool may_search = true;                   // otherwise only a kept result is used
  std::string record_path;                  // on this host
  plan::TuningKey key;  // of the files, the device and the types; Tune adds what else the search depends on
  Measurement measure = &MeasureThroughput;
};

struct Tuned {
  std::shared_ptr<model::Model> model;
  std::shared_ptr<model::Model> small = nullptr;  // for batches at info.tuning->latency; null: `model` runs them
  // Makes the job that continues the search while the server is idle. `info` is what the model is served with. The job
  // puts the better way into service and writes the final result. It holds no memory once it has ended. Null: the
  // result is final.
  std::function<model::IdleJob(model::ModelInfo info)> refine = nullptr;
  // Likewise for a kept result whose small batches run on another variant: the job makes that variant and puts it into
  // service. Until then `model` runs these batches, too. Null: there is no such variant.
  std::function<model::IdleJob(model::ModelInfo info)> make_small = nullptr;
};

// `plain`, or the same model in the fastest variants. info.tuning and info.decisions say what was found, or why there
// was no search. A search blocks for the configuration's budget at most, except for a forward pass or two. Before that
// it may wait for another version's search, for up to twice the budget plus a second. A kept result was compared with
// the plain graph on one row, and each of its models has run that row twice. Only a device's errors are errors.
absl::StatusOr<Tuned> Tune(const TuningTask& task, std::shared_ptr<model::Model> plain, model::ModelInfo& info);

}  // namespace torchferry::libtorch
