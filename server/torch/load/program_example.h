// The inputs that a torch.export program was exported with, as a request to try the version with.
#pragma once

#include <absl/status/statusor.h>

#include "server/checkpoint/exported_program.h"
#include "server/tensor/signature.h"
#include "server/torch/graph/model_signature.h"

namespace torchferry::libtorch {

// One row of the inputs where the model has a batch dimension, else all rows. The result has memory of its own. Errors
// are those of checkpoint::ReadProgramSamples. INVALID_ARGUMENT where the inputs do not fit `signature`, which may have
// other shapes by a config's `reshape`. No error here fails the version.
absl::StatusOr<tensor::BoundInputs> ExampleRow(const checkpoint::ExportedProgram& program,
                                               const ModelSignature& signature);

}  // namespace torchferry::libtorch
