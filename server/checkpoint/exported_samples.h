// The example inputs that a torch.export program was exported with, read by the restricted pickle reader.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_program.h"

namespace torchferry::checkpoint {

struct ProgramSamples {
  // One for each input of the caller, kUser and kSpecialised, in the order of ExportedProgram::inputs: kTensor with its
  // place in tensors->tensors() in `integer`, kInt, kFloat, kBool, kString or kNone.
  std::vector<GraphArgument> values;
  std::unique_ptr<Checkpoint> tensors;  // their keys are the inputs' names
};

// Arguments and keyword arguments, flattened as torch.utils._pytree does: tuples and lists by order, dicts in the order
// of their insertion. Each tensor has the dtype and the known sizes of its input.
// A program runs without them, so no error of these is one of the program. NOT_FOUND: the file has none.
// RESOURCE_EXHAUSTED: more bytes than limits.h allows. INVALID_ARGUMENT: containers that are not known (named tuples,
// classes of Python), or values that do not fit the program's inputs. DATA_LOSS: damaged or hostile.
absl::StatusOr<ProgramSamples> ReadProgramSamples(const ExportedProgram& program);

}  // namespace torchferry::checkpoint
