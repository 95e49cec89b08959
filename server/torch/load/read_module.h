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
  std::vector<std::string> warnings;  // what was done to make it so
};

// Reads, checks and compiles what `version` is the plan of. Nothing of it refers to the files afterwards. Errors as
// ModelLoader::Load; FAILED_PRECONDITION where the architecture is missing, there is no forward, or FindState says so;
// `stateful` as there. Throws what LibTorch
// throws.
absl::StatusOr<SavedModule> ReadModule(const plan::PlannedFiles& version, bool trust_model_code,
                                       std::optional<bool> stateful);

}  // namespace torchferry::libtorch
