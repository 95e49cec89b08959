// Makes the model for small batches once its version serves.
#pragma once

#include <memory>
#include <string>

#include "server/model/idle_job.h"
#include "server/model/loaded_model.h"
#include "server/torch/load/tuner.h"

namespace torchferry::libtorch {

// A job of one piece. It makes the variant of `served.info.tuning->latency`, compares it with the plain graph on one
// row, and puts it into service beside `served`. A variant that does not run or agree is logged and left out. Once the
// job has run it holds nothing.
model::IdleJob MakeSmallModelJob(std::shared_ptr<Tuner> tuner, model::PlacedModel served, std::string model_name);

}  // namespace torchferry::libtorch
