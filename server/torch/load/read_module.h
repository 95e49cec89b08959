// A version's module, read from its files: on the CPU, as it was saved.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <optional>
#include <string>
#include <vector>

#include "server/plan/model_loader.h"
#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

struct SavedModule {
  torch::jit::Module module;  // in eval mode, on the CPU, in the types of the file
  std::optional<ModuleState> state;
  std::vector<std::string> warnings;  // what was changed to make it so
};

// Reads, checks and compiles the version of the plan `version`. The result does not refer to the files. Errors are
// those of ModelLoader::Load. FAILED_PRECONDITION where the architecture or forward is missing, or where FindState
// returns it. `stateful` is as in FindState. Throws what LibTorch throws.
absl::StatusOr<SavedModule> ReadModule(const plan::PlannedFiles& version, bool trust_model_code,
                                       std::optional<bool> stateful);

}  // namespace torchferry::libtorch
