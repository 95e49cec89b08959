// The facts that GetModel shows of a version and its placement.
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

// Facts about a version's files that stay after the files are closed.
struct FileFacts {
  std::string name;  // of the model's file, in the store
  std::string path;  // on this host
  uint64_t bytes = 0;
  std::string architecture;  // name in the store; empty where no file has it
  std::shared_ptr<const checkpoint::FileDigest> digest;
};

// The facts that are known before the model runs. Later steps add the tuning, the precision's deviation and the
// rewritten constants. Their decisions follow those of the plan and the state.
model::ModelInfo DescribeVersion(const FileFacts& file, const plan::LoadPlan& plan,
                                 const std::optional<ModuleState>& state, const config::ModelConfig& config);

}  // namespace torchferry::libtorch
