// The model for small batches, made once its version serves.
#pragma once

#include <memory>
#include <string>

#include "server/model/idle_job.h"
#include "server/model/loaded_model.h"
#include "server/torch/load/tuner.h"

namespace torchferry::libtorch {

// One piece: makes the variant of `served.info.tuning->latency`, compares it with the plain graph on one row, and
// replaces `served` by itself with that beside it. A variant that does not run or agree is left out, which is logged.
// Then it holds nothing any more.
model::IdleJob MakeSmallModelJob(std::shared_ptr<Tuner> tuner, model::PlacedModel served, std::string model_name);

}  // namespace torchferry::libtorch
