// A search that goes on while the server is idle. Its result so far is in use, but not final.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "server/base/clock.h"
#include "server/model/idle_job.h"
#include "server/model/loaded_model.h"
#include "server/plan/tuning_record.h"
#include "server/torch/load/tuner.h"

namespace torchferry::libtorch {

struct Refinement {
  std::unique_ptr<Tuner> tuner;
  std::string model_name;
  std::string record_path;            // on this host
  plan::TuningKey key;                // under which the result is kept there
  std::function<bool()> is_stopping;  // null: never
  const base::Clock* clock = &base::Clock::Real();
};

// The variants that serve.
std::set<std::string> VariantsInUse(const model::TuningInfo& tuning);

// A piece of the job is one look. A look that was not quiet, or was disturbed by others, does not count and is repeated
// later. After too many disturbed looks in a row the job gives up. At its end it writes the result, adds it to `info`,
// and calls IdleTurn::Replace with the models and `info`. It returns its memory then, and before a long pause: variants
// that do not serve are then made again.
model::IdleJob MakeRefinementJob(Refinement refinement, model::ModelInfo info);

}  // namespace torchferry::libtorch
