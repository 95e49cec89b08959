// The example inputs of a torch.export program, read by the restricted pickle reader.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_program.h"

namespace torchferry::checkpoint {

struct ProgramSamples {
  // One value for each input of the caller, kUser and kSpecialised, in the order of ExportedProgram::inputs. A kTensor
  // has its index into tensors->tensors() in `integer`. Others are kInt, kFloat, kBool, kString or kNone.
  std::vector<GraphArgument> values;
  std::unique_ptr<Checkpoint> tensors;  // their keys are the inputs' names
};

// Arguments and keyword arguments, flattened as torch.utils._pytree does: tuples and lists by order, dicts in the order
// of their insertion. Each tensor has the dtype and the known sizes of its input.
// A program runs without them, so their errors do not make the program unusable. NOT_FOUND: the file has none.
// RESOURCE_EXHAUSTED: more bytes than limits.h allows. INVALID_ARGUMENT: unknown containers (named tuples, classes of
// Python), or values that do not fit the program's inputs. DATA_LOSS: damaged or hostile.
absl::StatusOr<ProgramSamples> ReadProgramSamples(const ExportedProgram& program);

}  // namespace torchferry::checkpoint
