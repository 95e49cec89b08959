// What GetModel says of a version and of where it was put.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/checkpoint/file_digest.h"
#include "server/config/model_config.h"
#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"
#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

// Of a version's files, when these are closed.
struct FileFacts {
  std::string name;  // of the model's file, in the store
  std::string path;  // on this host
  uint64_t bytes = 0;
  std::string architecture;  // name in the store; empty where there is none
  std::shared_ptr<const checkpoint::FileDigest> digest;
};

// What is known before the model runs. Tuning, precision's deviation and rewritten constants are added by whoever finds
// them out; so are their decisions, after the plan's and the state's.
model::ModelInfo DescribeVersion(const FileFacts& file, const plan::LoadPlan& plan,
                                 const std::optional<ModuleState>& state, const config::ModelConfig& config);

}  // namespace torchferry::libtorch
