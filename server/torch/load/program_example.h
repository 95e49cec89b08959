// The inputs that a torch.export program was exported with, as a request to try the version with.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/exported_program.h"
#include "server/tensor/signature.h"
#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// One row of them where the model has a batch dimension, else all. In memory of its own.
// Errors of checkpoint::ReadProgramSamples, and INVALID_ARGUMENT where they are none of `signature`'s, which may have
// other shapes by a config's `reshape`. None is one of the version.
absl::StatusOr<tensor::BoundInputs> ExampleRow(const checkpoint::ExportedProgram& program,
                                               const ModelSignature& signature);

}  // namespace torchferry::libtorch
