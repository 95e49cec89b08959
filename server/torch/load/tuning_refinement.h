// A search that goes on while the server is idle, as what was found until then is used, but not final.
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

// Those that serve.
std::set<std::string> VariantsInUse(const model::TuningInfo& tuning);

// One look for each piece. A look that was not quiet, or disturbed by others, does not count and is made again later;
// after too many the job gives up. At its end the result is written, `info` has it, and IdleTurn::Replace gets both.
// Its memory is given back then, and while it waits for others to end: variants that do not serve are made anew.
model::IdleJob MakeRefinementJob(Refinement refinement, model::ModelInfo info);

}  // namespace torchferry::libtorch
